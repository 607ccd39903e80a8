"""Form fields for quantities as people write them."""

from __future__ import annotations

import re
from typing import Any

from django import forms

UNITS = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}
SPELLED = {name.lower(): size for name, size in UNITS.items()}
AMOUNT = re.compile(r"(\d{1,15}(?:[.,]\d{1,6})?)\s*([a-z]{1,3})", re.IGNORECASE | re.ASCII)
LARGEST = 2**60


class BytesField(forms.Field):
    """An amount of memory as text, `24 GB` or `512 MiB` (GB = 10^9, GiB = 2^30); gives bytes, None when empty."""

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        found = AMOUNT.fullmatch(text)
        if not found or found[2].lower() not in SPELLED:
            raise forms.ValidationError("Write an amount with its unit, such as 24 GB or 512 MiB.")
        amount = int(float(found[1].replace(",", ".")) * SPELLED[found[2].lower()])
        if not 0 < amount < LARGEST:
            raise forms.ValidationError("Write an amount above zero that a machine can have.")
        return amount

    def prepare_value(self, value: Any) -> Any:
        return as_text(value) if isinstance(value, int) else value


def as_text(amount: int) -> str:
    """The exact amount in the largest unit that keeps it whole: 24000000000 -> 24 GB, 536870912 -> 512 MiB."""
    size, name = max((size, name) for name, size in UNITS.items() if amount % size == 0)
    return f"{amount // size} {name}"
