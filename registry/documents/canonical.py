"""One way to write JSON, so that equal documents are equal bytes."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import orjson

_FORM = (
    orjson.OPT_INDENT_2
    | orjson.OPT_SORT_KEYS  # by UTF-8, which is the order of the code points
    | orjson.OPT_APPEND_NEWLINE
    | orjson.OPT_PASSTHROUGH_DATETIME  # a time in a document must be a text already
    | orjson.OPT_PASSTHROUGH_DATACLASS
)
# fractions from here to there are spelled alike; others have an exponent (1e-05, 1e+16), which orjson spells otherwise
_SMALL, _LARGE = 1e-4, 1e16
_LEAST, _MOST = -(2**63), 2**63 - 1


def canonical(document: dict[str, Any]) -> bytes:
    """The document with sorted keys, two spaces, UTF-8 and a newline at the end, as the standard library writes it.

    ValueError on NaN, Infinity and half characters.
    """
    try:
        return orjson.dumps(_spelled(document), option=_FORM)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"the document cannot be written: {error}") from error


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _spelled(value: Any) -> Any:
    """An object or a list in which numbers that orjson would spell otherwise are written out already."""
    named = type(value) is dict
    others: dict[Any, Any] = {}
    for key, each in value.items() if named else enumerate(value):
        kind = type(each)
        if kind is float:
            if not _SMALL <= abs(each) < _LARGE and each:
                others[key] = _written(each)
        elif kind is int:
            if not _LEAST <= each <= _MOST:
                others[key] = orjson.Fragment(str(each))
        elif (kind is dict or kind is list) and each and (other := _spelled(each)) is not each:
            others[key] = other
    if not others:
        return value
    return {**value, **others} if named else [others.get(place, each) for place, each in enumerate(value)]


def _written(number: float) -> orjson.Fragment:
    if not math.isfinite(number):
        raise ValueError(f"{number} is not JSON compliant")
    return orjson.Fragment(repr(number))
