"""Reads a file of any format into a Content; what it is, is seen from what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from registry.documents import lmstrix_file, native, sheets, yaml_file
from registry.documents.collecting import uncollected
from registry.documents.content import Content, Fault, Unreadable
from registry.documents.faults import Faults
from registry.documents.native_reading import NO_SERVERS
from registry.documents.unpacking import unpacked
from registry.lmstudio import strict_json

_BYTES_PER_VALUE = 8  # at least, in large files: what holds more values than that is no registry
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # how UTF-16 and UTF-32 files begin


@dataclass(frozen=True)
class Read:
    """A file that was read: what it holds, as what, and what was left out of it."""

    content: Content
    format: str  # native, lmstrix, csv, yaml
    warnings: list[str] = field(default_factory=list)


def read(data: bytes, *, name: str = "", servers: Mapping[str, str] = NO_SERVERS) -> Content:
    """What the file holds; see `read_file`."""
    return read_file(data, name=name, servers=servers).content


def read_good(data: bytes, *, name: str = "") -> Content:
    """The same without the objects that have faults; Unreadable when the file as a whole is none."""
    return _read(data, name, NO_SERVERS, Faults(lenient=True)).content


def read_file(data: bytes, *, name: str = "", servers: Mapping[str, str] = NO_SERVERS) -> Read:
    """Reads native JSON, YAML, CSV or the LMStrix command-line tool's file, each plain, gzipped or alone in a zip.

    `name` is the file's name: it decides only between texts that could be several. `servers`: base URLs by name.
    Raises Unreadable with every fault that was found.
    """
    return _read(data, name, servers, Faults())


@uncollected()
def _read(data: bytes, name: str, servers: Mapping[str, str], faults: Faults) -> Read:
    data = unpacked(data).removeprefix(_BOM)
    begin = data[:4096].lstrip()
    if begin[:1] in (b"{", b"["):
        document = _json(data)
        if isinstance(document, dict) and "llms" in document and "models" not in document:
            content = lmstrix_file.from_lmstrix(document, faults=faults)
            return Read(content, "lmstrix", faults.warnings)
        content = native.from_native(document, servers=servers, faults=faults)
        return Read(content, "native", faults.warnings)
    text = _text(data, name)
    if name.lower().endswith((".csv", ".tsv")) or sheets.is_sheet(text):
        return Read(sheets.from_csv(text, servers=servers, faults=faults), "csv", faults.warnings)
    document = yaml_file.loads(text, max_values=_most_values(data))
    return Read(native.from_native(document, servers=servers, faults=faults), "yaml", faults.warnings)


def _most_values(data: bytes) -> int:
    return max(strict_json.MAX_VALUES, len(data) // _BYTES_PER_VALUE)


def _json(data: bytes) -> Any:
    try:
        return strict_json.loads(data, max_values=_most_values(data), wide=True)
    except ValueError as error:
        _refuse(f"the file cannot be read: {error}")


def _text(data: bytes, name: str) -> str:
    if not data.strip():
        _refuse("the file is empty")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        kind = "UTF-16" if data.startswith(_WIDE) else f"another encoding (byte {error.start:,})"
        _refuse(f"the file is not text in UTF-8 but {kind}; save it as UTF-8")
    if "\x00" in text:
        _refuse("the file holds the character NUL, which no text has")
    return text


def _refuse(text: str) -> NoReturn:
    raise Unreadable([Fault("", text)])
