"""A registry as one sheet (CSV): a row per model, any subset of the columns, cells that start a formula defused."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from registry.documents.checking import UNTOLD, Check, Flag, Real, Whole, Words
from registry.documents.columns import LONGEST_NAME, MODEL, MOST_MODELS
from registry.documents.content import Content, Fault, Fields, ModelId, Unreadable
from registry.documents.faults import Faults, Wrong, shown
from registry.documents.places import Places, identity

COLUMNS: Mapping[str, Check] = {
    **{name: check for name, check in MODEL.items() if name != "extra"},
    "groups": Words(LONGEST_NAME, ordered=True),
}
IDENTITY = ("key", "server", "server_url", "variant")
AS_IN_JSON = {"id": "key", "context_window": "declared_context", "added_date": "added"}
_FORMULA = re.compile(r"'*[\s\u200b-\u200f\ufeff]*[=+\-@\t\r\n＝＋－＠﹢﹣﹦﹫]")
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


def as_csv(content: Content) -> bytes:
    """The sheet in UTF-8, sorted by server, key and variant; an empty cell is unknown."""
    groups: dict[ModelId, list[str]] = {}
    for name, group in sorted(content.groups.items()):
        for member in group.get("models", ()):
            groups.setdefault(member, []).append(name)
    output = io.StringIO(newline="")
    writer = csv.writer(output, lineterminator="\r\n")
    writer.writerow([*IDENTITY, *COLUMNS])
    for model in sorted(content.models):
        server = content.servers.get(model.server, {}).get("name") or ""
        fields = {**content.models[model], "groups": groups.get(model)}
        row = (model.key, server, model.server, model.variant, *(fields.get(name) for name in COLUMNS))
        writer.writerow([_cell(value) for value in row])
    return output.getvalue().encode()


def is_sheet(text: str) -> bool:
    """Whether a text begins with the names of columns, a model's key among them."""
    try:
        return "key" in _header(next(csv.reader([_first_line(text)], delimiter=_delimiter(text)), []))
    except csv.Error:
        return False


def from_csv(text: str, *, servers: Mapping[str, str], faults: Faults | None = None) -> Content:
    """The content of a sheet: models, and the groups that it names; Unreadable with every fault by line and column.

    Columns that are not there tell nothing; `key` must be there. `servers`: base URLs by name.
    """
    faults = Faults() if faults is None else faults
    rows = _rows(text.removeprefix("\ufeff"))
    header = _header(next(rows, (1, []))[1])
    _check_header(header, faults)
    content = Content(unordered=True)
    places = Places(servers)
    lines: dict[ModelId, int] = {}
    for line, cells in rows:
        before = len(faults.found)
        if len(cells) > len(header):
            faults.add(f"line {line:,}", f"has {len(cells):,} cells, more than the {len(header)} columns")
            continue
        told = {name: _plain(cell) for name, cell in zip(header, cells, strict=False)}
        try:
            model = identity(told, "", places.of(told))
        except Wrong as wrong:
            faults.add(f"line {line:,}", str(wrong))
            continue
        fields = _fields(told, line, faults)
        if model in lines:
            faults.add(f"line {line:,}", f"is the same model as line {lines[model]:,}")
        if len(lines) >= MOST_MODELS:
            raise Unreadable([Fault("", f"the file holds more than {MOST_MODELS:,} models")])
        if not faults.lenient or len(faults.found) == before:
            lines[model] = line
            _keep(content, model, fields, told.get("server", ""))
    faults.settle()
    return content


def _keep(content: Content, model: ModelId, fields: Fields, server: str) -> None:
    for group in fields.pop("groups", ()):
        content.groups.setdefault(group, {"models": []})["models"].append(model)
    content.models[model] = fields
    if model.server and server and "://" not in server:
        content.servers.setdefault(model.server, {"name": server})


def _fields(told: Mapping[str, str], line: int, faults: Faults) -> Fields:
    fields: Fields = {}
    for name, cell in told.items():
        if name not in COLUMNS or (not cell and name in UNTOLD):
            continue
        try:
            fields[name] = COLUMNS[name](_value(COLUMNS[name], cell))
        except Wrong as wrong:
            faults.add(f"line {line:,}, column {name}", str(wrong))
    return fields


def _value(check: Check, cell: str) -> Any:
    """A cell as the JSON value that it stands for."""
    if not cell:
        return None
    if isinstance(check, Words):
        return _split(cell)
    if isinstance(check, Flag):
        word = cell.strip().lower()
        return True if word in _YES else False if word in _NO else cell
    if isinstance(check, (Whole, Real)):
        return _number(cell.strip())
    return cell


def _number(cell: str) -> Any:
    if not re.fullmatch(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?", cell):
        raise Wrong(f"must be a number, got {shown(cell)}")
    return int(cell) if re.fullmatch(r"[-+]?[0-9]+", cell) else float(cell)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        value = ";".join(each.replace("\\", "\\\\").replace(";", "\\;") for each in value)
    return f"'{value}" if _FORMULA.match(value) else str(value)


def _plain(cell: str) -> str:
    """A cell without the apostrophe that defused it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _split(cell: str) -> list[str]:
    """The items of a cell, which `;` parts; a backslash makes the next character a plain one."""
    items = re.findall(r"((?:\\.|[^;\\])*\\?)(?:;|$)", cell, re.DOTALL)[: cell.count(";") + 1]
    return [item for item in (re.sub(r"\\(.)", r"\1", each, flags=re.DOTALL) for each in items) if item]


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the line on which it ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        for row in reader:
            if any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise Unreadable([Fault(f"line {reader.line_num:,}", f"is not CSV: {error}")]) from None


def _first_line(text: str) -> str:
    return text.lstrip("\ufeff\r\n").partition("\n")[0].rstrip("\r")[:100_000]


def _delimiter(text: str) -> str:
    return max(",;\t", key=_first_line(text).count)


def _header(cells: list[str]) -> list[str]:
    names = [_plain(cell).strip().lower() for cell in cells]
    return [AS_IN_JSON.get(name, name) if AS_IN_JSON.get(name) not in names else name for name in names]


def _check_header(header: list[str], faults: Faults) -> None:
    if "key" not in header:
        raise Unreadable([Fault("line 1", f"must name the columns, with key among them, got {shown(header[:8])}")])
    for name in header:
        if header.count(name) > 1:
            raise Unreadable([Fault("line 1", f"names the column {shown(name)} twice")])
        if name not in COLUMNS and name not in IDENTITY:
            faults.left_out(name or "a column without a name")
