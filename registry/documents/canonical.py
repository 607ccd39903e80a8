"""One way to write JSON, so that equal documents are equal bytes."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from itertools import chain
from typing import Any

_STEP = "  "
_NESTS = frozenset({dict, list})
_HOLE = "\x00"  # stands for a nested object while its parent is written
_WRITTEN_HOLE = '"\\u0000"'


def canonical(document: dict[str, Any]) -> bytes:
    """The document with sorted keys, two spaces, UTF-8 and a newline at the end; ValueError on NaN and Infinity."""
    return (_written(document, "\n") + "\n").encode()


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _written(value: Any, line: str) -> str:
    """One value; `line` is the line break with the indent of its parent.

    The fast encoder of the standard library writes no indents, but any separators: each object is written flat with
    its line breaks as separators and with holes for what is nested.
    """
    deeper = line + _STEP
    inner: list[Any] = []
    if type(value) is dict:
        if holes := {key: each for key, each in value.items() if type(each) in _NESTS and each}:
            inner = [holes[key] for key in sorted(holes)]
            value = {**value, **dict.fromkeys(holes, _HOLE)}
    elif type(value) is list:
        inner = [each for each in value if type(each) in _NESTS and each]
        if inner:
            value = [_HOLE if type(each) in _NESTS and each else each for each in value]
    flat = _encoder(deeper).encode(value)
    if not value or type(value) not in _NESTS:
        return flat
    flat = f"{flat[0]}{deeper}{flat[1:-1]}{line}{flat[-1]}"
    if not inner:
        return flat
    pieces = flat.split(_WRITTEN_HOLE)
    if len(pieces) != len(inner) + 1:
        raise ValueError("a text holds only the character NUL, which no document can keep")
    written = [_written(each, deeper) for each in inner]
    return "".join(chain.from_iterable(zip(pieces, [*written, ""], strict=True)))


@cache
def _encoder(deeper: str) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=("," + deeper, ": "))
