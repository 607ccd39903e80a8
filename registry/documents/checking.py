"""Values of a file checked one by one: what is taken, what unknown is, and what is said of the rest."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar

from registry.documents.content import iso
from registry.documents.faults import Faults, Wrong, shown

MOST = 2**63 - 1
MAX_DEPTH = 100
# what every object has: null tells nothing of it
UNTOLD = frozenset({"name", "source", "added", "added_date", "created", "updated", "started", "order", "requested"})
_EXACT = 1e16  # floats from here on are written with an exponent by us and without by PostgreSQL


def checked_text(value: Any, limit: int | None = None) -> str:
    """A text that every database can hold, of at most `limit` characters."""
    if type(value) is not str:
        raise Wrong(f"must be a text, got {shown(value)}")
    if limit is not None and len(value) > limit:
        raise Wrong(f"must have at most {limit:,} characters, got {len(value):,}")
    if "\x00" in value:
        raise Wrong("holds the character NUL, which no database can keep")
    if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise Wrong("holds half a character (a lone surrogate)")
    return value


@dataclass(frozen=True)
class Text:
    """A text; unknown is ""."""

    limit: int | None = None
    needed: bool = False

    def unknown(self) -> str:
        return ""

    def __call__(self, value: Any) -> str:
        if value is None and not self.needed:
            return ""
        text = checked_text(value, self.limit)
        if self.needed and not text:
            raise Wrong("must not be empty")
        return text


@dataclass(frozen=True)
class Whole:
    """A whole number; unknown is null, or what is said here."""

    least: int = 0
    most: int = MOST
    default: int | None = None

    def unknown(self) -> int | None:
        return self.default

    def __call__(self, value: Any) -> int | None:
        if value is None:
            return self.default
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            kind = "a whole number" if isinstance(value, float) else "a number"
            raise Wrong(f"must be {kind}, got {shown(value)}")
        if not self.least <= value <= self.most:
            raise Wrong(f"must be from {self.least:,} to {self.most:,}, got {shown(value)}")
        return value


@dataclass(frozen=True)
class Real:
    """A number with a fraction; unknown is null, or what is said here."""

    least: float = 0.0
    default: float | None = None

    def unknown(self) -> float | None:
        return self.default

    def __call__(self, value: Any) -> float | None:
        if value is None:
            return self.default
        if type(value) is int and abs(value) <= sys.float_info.max:  # PostgreSQL writes 1e30 with all its digits
            value = float(value)
        if type(value) is not float or not math.isfinite(value):
            raise Wrong(f"must be a number, got {shown(value)}")
        if value < self.least:
            raise Wrong(f"must be at least {self.least:g}, got {shown(value)}")
        return value


@dataclass(frozen=True)
class Flag:
    """True or false; unknown is what is said here."""

    default: bool | None = False

    def unknown(self) -> bool | None:
        return self.default

    def __call__(self, value: Any) -> bool | None:
        if value is None:
            return self.default
        if type(value) is not bool:
            raise Wrong(f"must be true or false, got {shown(value)}")
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few words; unknown is what is said here."""

    options: tuple[str, ...]
    default: str = ""

    def unknown(self) -> str:
        return self.default

    def __call__(self, value: Any) -> str:
        if value is None or value == self.default:
            return self.default
        if value not in self.options:
            raise Wrong(f"must be one of {', '.join(self.options)}, got {shown(value)}")
        return str(value)


@dataclass(frozen=True)
class Moment:
    """A time in ISO 8601, UTC where it names no zone; unknown is null."""

    def unknown(self) -> None:
        return None

    def __call__(self, value: Any) -> str | None:
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
            return iso(moment.astimezone(UTC) if moment.tzinfo else moment)
        except (TypeError, ValueError, OverflowError):
            raise Wrong(f"must be a time like 2024-01-15T10:30:00Z, got {shown(value)}") from None


@dataclass(frozen=True)
class Words:
    """A list of different texts, sorted where order means nothing; unknown is the empty list."""

    limit: int | None = None
    ordered: bool = False
    options: tuple[str, ...] = ()

    def unknown(self) -> list[str]:
        return []

    def __call__(self, value: Any) -> list[str]:
        if not value and (value is None or isinstance(value, list)):
            return []
        if not isinstance(value, list):
            raise Wrong(f"must be a list of texts, got {shown(value)}")
        words = dict.fromkeys(checked_text(word, self.limit) for word in value)
        if "" in words:
            raise Wrong("must not hold an empty text")
        if self.options and (other := [word for word in words if word not in self.options]):
            raise Wrong(f"must hold only {', '.join(self.options)}, got {shown(other[0])}")
        return list(words) if self.ordered else sorted(words)


@dataclass(frozen=True)
class Free:
    """Any JSON of one type; unknown is the empty one, or null where it may be any."""

    type: Callable[[], Any] | None = None
    NAMES: ClassVar[Mapping[Any, str]] = {dict: "an object", list: "a list"}

    def unknown(self) -> Any:
        return self.type() if self.type else None

    def __call__(self, value: Any) -> Any:
        if value is None or value == self.unknown():
            return self.unknown()
        if self.type and type(value) is not self.type:
            raise Wrong(f"must be {self.NAMES[self.type]}, got {shown(value)}")
        return free(value)


def free(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Any JSON in the form in which every database gives it back; Wrong when one could not."""
    if isinstance(value, str):
        return checked_text(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Wrong(f"holds {value}, which is not a number in JSON")
        return int(value) if value.is_integer() and abs(value) >= _EXACT else value + 0.0
    if value is None or isinstance(value, (bool, int)):
        return value
    if depth == 0:
        raise Wrong(f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [free(each, depth - 1) for each in value]
    if isinstance(value, dict):
        return {checked_text(key): free(each, depth - 1) for key, each in value.items()}
    raise Wrong(f"holds a {type(value).__name__}, which is not JSON")


Check = Text | Whole | Real | Flag | Choice | Moment | Words | Free


def fields_of(
    told: Mapping[str, Any],
    columns: Mapping[str, Check],
    place: str,
    faults: Faults,
    *,
    named: Mapping[str, str] = MappingProxyType({}),
    ignored: Collection[str] = (),
) -> dict[str, Any]:
    """The fields of one object, checked, under our names (`named`: theirs -> ours); faults are collected."""
    fields = {}
    for name, value in told.items():
        column = columns.get(name)
        if column is None:
            if name not in ignored:
                faults.left_out(name, place)
        elif value is not None or name not in UNTOLD:
            try:
                fields[named.get(name, name)] = column(value)
            except Wrong as wrong:
                faults.add(f"{place}.{name}", str(wrong))
    return fields
