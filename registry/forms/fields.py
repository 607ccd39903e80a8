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
LARGEST_FILE = 256 * 2**20  # bytes of an upload


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


class DocumentField(forms.FileField):
    """A file with a registry in it; what it is, is told by its content."""

    def __init__(self, **options: Any) -> None:
        accept = forms.ClearableFileInput(attrs={"accept": ".json,.gz,.csv,.yaml,.yml"})
        told = "Native JSON (also .gz), CSV, YAML, or the file of the LMStrix command-line tool."
        super().__init__(widget=accept, help_text=told, max_length=200, **options)

    def clean(self, data: Any, initial: Any = None) -> Any:
        file = super().clean(data, initial)
        if file and file.size > LARGEST_FILE:
            raise forms.ValidationError(f"The file may have at most {LARGEST_FILE // 2**20} MiB; import it by command.")
        return file
