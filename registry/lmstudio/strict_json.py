"""JSON as RFC 8259 means it: what Python's parser lets through by mistake is refused with a reason."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

MAX_DEPTH = 100
MAX_VALUES = 2_000_000  # 10,000 models have about 500,000; a value costs up to 72 bytes of memory
_MAX_DIGITS = 100
_MAX_WIDE_DIGITS = 400
_ESCAPE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(u[dD][89a-fA-F])|\\.", re.DOTALL)


def loads(data: bytes, *, max_values: int = MAX_VALUES, wide: bool = False) -> Any:
    """Parse one JSON text; a ValueError says in words for people what is wrong with it.

    Refused: invalid UTF-8, lone surrogates, NaN and Infinity (also by overflow), integers beyond 64 bits (`wide`: of
    more than 400 digits), duplicate keys, nesting deeper than 100, and more than 2,000,000 values.
    """
    # Commas and brackets bound the number of values from above, so memory is bounded before anything is built.
    openings = data.count(b"[") + data.count(b"{")
    if data.count(b",") + openings > max_values:
        raise ValueError(f"it holds more than {max_values:,} values")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("it is not valid UTF-8") from error
    if _has_lone_surrogate(data):
        raise ValueError("it holds half a character (a lone surrogate)")
    value = _parse(text, _wide_int if wide else _int)
    if openings > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    return value


def _parse(text: str, whole: Callable[[str], int]) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=whole, parse_float=_float, parse_constant=_constant
        )
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg} at character {error.pos})") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("it has the same key twice in one object")
    return result


def _int(digits: str) -> int:
    value = int(digits) if len(digits) <= 20 else 2**64
    if not -(2**63) <= value < 2**63:
        raise ValueError("it holds a number beyond 64 bits")
    return value


def _wide_int(digits: str) -> int:
    if len(digits) > _MAX_WIDE_DIGITS:
        raise ValueError(f"it holds a number of more than {_MAX_WIDE_DIGITS} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits) if len(digits) <= _MAX_DIGITS else math.inf
    if not math.isfinite(value):
        raise ValueError("it holds a number out of range")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not a number in JSON")


def _has_lone_surrogate(data: bytes) -> bool:
    if b"\\ud" not in data and b"\\uD" not in data:
        return False
    return any(escape.group(1) for escape in _ESCAPE.finditer(data))


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
