"""Typed reading of decoded JSON: a wrong value is a ValueError that names its place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_KEY = 500
MAX_TEXT = 4_000
MAX_ITEMS = 1_000
MAX_WHOLE = 2**53


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object and the place it stands at; absent and null fields read as None."""

    values: Mapping[str, Any]
    place: str

    @classmethod
    def of(cls, value: Any, place: str) -> Fields:
        """The object at `place`; null counts as an empty one."""
        if value is None:
            return cls({}, place)
        if not isinstance(value, Mapping):
            raise ValueError(f"{place}: must be an object, got {_shown(value)}")
        return cls(value, place)

    def child(self, name: str) -> Fields:
        """The object in this field."""
        return Fields.of(self.values.get(name), f"{self.place}.{name}")

    def children(self, name: str) -> Iterator[Fields]:
        """The objects of the list in this field."""
        for index, value in enumerate(self._list(name)):
            yield Fields.of(value, f"{self.place}.{name}[{index}]")

    def key(self, name: str) -> str | None:
        """A string that identifies something: too long is an error, since a cut one would be another."""
        value = self.text(name, MAX_KEY + 1)
        if value == "":
            raise self.fault(name, "must not be empty", value)
        if value is not None and len(value) > MAX_KEY:
            raise self.fault(name, f"must have at most {MAX_KEY} characters", value)
        return value

    def required_key(self, name: str) -> str:
        """A `key` that must be there."""
        value = self.key(name)
        if value is None:
            raise self.fault(name, "must be a string", None)
        return value

    def text(self, name: str, limit: int = MAX_KEY) -> str | None:
        """A string, cut at `limit` characters."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.fault(name, "must be a string", value)
        if "\0" in value:
            raise self.fault(name, "must not hold a NUL character", value)
        return value[:limit]

    def keys(self, name: str) -> tuple[str, ...]:
        """A list of identifying strings."""
        values = self._list(name)
        inner = Fields({f"{name}[{i}]": value for i, value in enumerate(values)}, self.place)
        return tuple(inner.required_key(each) for each in inner.values)

    def whole(self, name: str) -> int | None:
        """A whole number from 0 to 2^53."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise self.fault(name, "must be a whole number", value)
        if not 0 <= value <= MAX_WHOLE:
            raise self.fault(name, "must be between 0 and 2^53", value)
        return value

    def number(self, name: str) -> float | None:
        """A number of 0 or more."""
        value = self.values.get(name)
        if value is None:
            return None
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.fault(name, "must be a number", value)
        if not 0 <= value <= MAX_WHOLE:
            raise self.fault(name, "must be between 0 and 2^53", value)
        return float(value)

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.fault(name, "must be true or false", value)

    def fault(self, name: str, rule: str, value: Any) -> ValueError:
        """The error for a field that breaks a rule."""
        return ValueError(f"{self.place}.{name}: {rule}, got {_shown(value)}")

    def _list(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fault(name, "must be a list", value)
        if len(value) > MAX_ITEMS:
            raise ValueError(f"{self.place}.{name}: must have at most {MAX_ITEMS} entries, got {len(value)}")
        return value


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    shown = ascii(value)
    return shown if len(shown) <= 40 else f"{shown[:39]}…"
