"""Rows as text for other programs: JSON, CSV and YAML; pure."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

Row = Mapping[str, Any]
FORMATS = ("json", "csv", "yaml")
# what makes a spreadsheet take a cell for a formula; also behind blanks and in the full-width forms of East Asia
FORMULA = ("=", "+", "-", "@")
CONTROL = ("\t", "\r", "\n")
UNSEEN = ("Cc", "Cf")  # control characters, marks of direction, of width zero


def counted(number: int, noun: str) -> str:
    """1 model, 2 models."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def render(rows: Iterable[Row], columns: Sequence[str], fmt: str) -> str:
    """These columns of the rows in one of FORMATS, with a newline at the end; values are JSON values or times.

    JSON and YAML hold every value as it is; cells of CSV that a spreadsheet would run are defused.
    """
    chosen = [{name: row.get(name) for name in columns} for row in rows]
    if fmt == "csv":
        return _as_csv(chosen, columns)
    if fmt == "yaml":
        return as_yaml(_plain(chosen))
    if fmt == "json":
        return as_json(chosen)
    raise ValueError(f"There is no format {fmt}; there is {', '.join(FORMATS)}.")


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=_told) + "\n"


def as_yaml(value: Any) -> str:
    """YAML that reads back as the same JSON value."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def defused(cell: str) -> str:
    """The text of a cell, with an apostrophe before what a spreadsheet would take for a formula."""
    seen = next((sign for sign in cell if not (sign.isspace() or unicodedata.category(sign) in UNSEEN)), "")
    is_formula = unicodedata.normalize("NFKC", seen) in FORMULA
    return f"'{cell}" if is_formula or cell.startswith(CONTROL) else cell


def _as_csv(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """Header and rows; a list is joined by commas, null is an empty cell, line ends in a cell are newlines."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow([defused(name) for name in columns])
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return output.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)  # a number of ours, also a negative one, is no formula
    if isinstance(value, list | tuple):
        value = ", ".join(str(item) for item in value)
    elif isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False, default=_told)
    text = defused(value if isinstance(value, str) else _told(value))
    return text.replace("\r\n", "\n").replace("\r", "\n")  # a bare CR is not quoted, and ends a row for some programs


def _told(value: Any) -> str:
    """A time as ISO 8601; whatever else JSON does not know as its text."""
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _plain(value: Any) -> Any:
    """As JSON values."""
    return json.loads(json.dumps(value, default=_told))
