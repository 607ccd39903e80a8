"""Amounts as people write them ("5GB", "32k", "7B") as numbers, and back; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

LARGEST = 2**63 - 1  # what the tables can hold
AMOUNT = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([A-Za-z]*)")

BYTES = {
    "": 1, "b": 1,
    "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9, "t": 10**12, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
TOKENS = {"": 1, "k": 2**10, "m": 2**20}
STEPS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"))
COUNTS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


def bytes_of(text: str) -> int:
    """Bytes: "5GB" is 5 * 10^9, "4GiB" is 4 * 2^30, a bare number is bytes; ValueError in words for people."""
    return _whole(text, BYTES, "a size; write it like 5GB, 1.5GB or 4GiB")


def tokens_of(text: str) -> int:
    """Tokens: "32k" is 32,768 and "1M" is 1,048,576, as context sizes are spoken of."""
    return _whole(text, TOKENS, "a number of tokens; write it like 30000 or 32k (32,768)")


def count_of(text: str) -> int:
    """A number of parameters: "7B" is 7 * 10^9, "135M" is 135 * 10^6."""
    return _whole(text, COUNTS, "a number of parameters; write it like 7B or 135M")


def speed_of(text: str) -> float:
    """Tokens per second."""
    return float(_amount(text, {"": 1}, "a speed; write tokens per second, like 40 or 12.5"))


def plain(count: int) -> str:
    """Bytes for people: 12400000000 -> 12.4 GB."""
    for step, unit in STEPS:
        if count >= step:
            return f"{count / step:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count:,} bytes"


def _whole(text: str, units: Mapping[str, int], allowed: str) -> int:
    return round(_amount(text, units, allowed))


def _amount(text: str, units: Mapping[str, int], allowed: str) -> Fraction:
    found = AMOUNT.fullmatch(text.strip())
    unit = units.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise ValueError(f'"{_short(text)}" is not {allowed}')
    amount = Fraction(found[1]) * unit
    if amount > LARGEST:
        raise ValueError(f'"{_short(text)}" is more than LMStrix can count; it counts to {LARGEST:,}')
    return amount


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
