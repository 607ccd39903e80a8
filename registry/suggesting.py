"""What can come next while a filter is typed: keys, and conditions of the key that is being written; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.filters import CLAUSE, COMPARED, DAYS, KEYS, LAST, BadFilter, Bounds, parse

MOST = 8  # suggestions at once
VALUED = ("server", "tag", "group", "arch", "quant")  # keys whose values the caller knows


@dataclass(frozen=True)
class Suggestion:
    """A piece that can be written where the filter ends; `text` is the whole filter with it."""

    insert: str
    meaning: str
    text: str


@dataclass(frozen=True)
class Suggestions:
    """What to show below a filter: what is being written, what can be written, and the keys not used yet."""

    title: str
    items: tuple[Suggestion, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where a filter ends: the text before its last part, the keys of all its parts ("" = none of its own, or words),
    and what is typed of the last one's value."""

    before: str
    keys: tuple[str, ...]
    typed: str

    @classmethod
    def at_the_end_of(cls, text: str) -> Place:
        pieces, quoted = [""], False
        for sign in text:
            quoted ^= sign == '"'
            if sign == "," and not quoted:
                pieces.append("")
            else:
                pieces[-1] += sign
        found = [CLAUSE.match(piece) for piece in pieces]
        last, clause = pieces[-1], found[-1]
        typed = last[clause.end() if clause else 0 :].strip().strip('"')
        return cls(text[: len(text) - len(last)], tuple(each[1].lower() if each else "" for each in found), typed)

    @property
    def key(self) -> str:
        return self.keys[-1]

    @property
    def key_before(self) -> str:
        """The key that a value without its own belongs to."""
        return next((key for key in reversed(self.keys[:-1]) if key), "")


def suggest(text: str, known: Mapping[str, Iterable[str]] | None = None, *, now: datetime | None = None) -> Suggestions:
    """What can follow `text`; `known` gives the values that there are for the keys of VALUED."""
    place, known = Place.at_the_end_of(text), known or {}
    free = tuple(key for key in KEYS if key not in place.keys)
    if place.key:
        if place.key not in KEYS:
            return Suggestions(f'There is no key "{place.key[:40]}"', (), free)
        items = _values(place, place.key, known, now)
        return Suggestions(f"{place.key}: {KEYS[place.key].meaning}", tuple(items[:MOST]), free)
    more = _values(place, place.key_before, known, now) if place.typed and place.key_before in KEYS else []
    begun = [key for key in KEYS if key.startswith(place.typed.lower())]
    keys = [Suggestion(f"{key}:", KEYS[key].meaning, f"{place.before}{key}:") for key in begun]
    title = "A key, or one more value" if place.key_before else "A key, or words that the name or key contains"
    return Suggestions(title, tuple([*more, *keys][: MOST if place.typed else None]), free)


def _values(place: Place, key: str, known: Mapping[str, Iterable[str]], now: datetime | None) -> list[Suggestion]:
    """Values of `key` that go on as was typed."""
    typed, about, prefix = place.typed, KEYS[key], f"{place.key}:" if place.key else ""
    if about.choices or key in VALUED:
        values = list(about.choices or known.get(key, ()))
        begun = [value for value in values if value.lower().startswith(typed.lower())]
        inside = [value for value in values if typed.lower() in value.lower() and value not in begun]
        meanings = [(quoted(value), "") for value in [*begun, *inside]]
    else:
        meanings = _amounts(key, typed, now)
    return [Suggestion(f"{prefix}{value}", meaning, f"{place.before}{prefix}{value}") for value, meaning in meanings]


def quoted(value: str) -> str:
    """A value as it stands in a filter."""
    if any(sign in value for sign in ',:"') or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value


def _amounts(key: str, typed: str, now: datetime | None) -> list[tuple[str, str]]:
    """Conditions that go on as was typed, each with what it means in words."""
    examples = KEYS[key].examples.split(", ")
    wanted = [each for each in examples if each.startswith(typed)]
    if typed:
        compared = [f"{sign}{typed}" for sign in (">", ">=", "<", "<=")] if typed[0].isdigit() else []
        wanted = [typed, *(compared if KEYS[key].amount else []), *wanted]
    meanings = [(each, _meaning(key, each, now)) for each in dict.fromkeys(wanted)]
    return [(value, meaning) for value, meaning in meanings if meaning is not None]


def _meaning(key: str, value: str, now: datetime | None) -> str | None:
    """A condition in words; None when it cannot be read."""
    try:
        read = parse(f"{key}:{quoted(value)}", now=now).conditions[0].values[0]
    except BadFilter:
        return None
    if not isinstance(read, Bounds):
        return "" if key != "name" else f"contains {value}"
    if key == "date":
        return _days(value)
    shown: Callable[[Any], str] = SHOWN.get(key, lambda amount: f"{amount:,}")
    limits = dict(read.limits)
    if len(limits) == 2:
        return f"from {shown(limits['gte'])} to {shown(limits['lte'])}"
    ((lookup, limit),) = limits.items()
    return COMPARISONS[lookup].format(shown(limit))


COMPARISONS = {
    "gt": "more than {}",
    "gte": "{} or more",
    "lt": "less than {}",
    "lte": "{} or less",
    "exact": "exactly {}",
}
DAY_COMPARISONS = {">": "after", ">=": "on or after", "<": "before", "<=": "on or before", "=": "on"}
SPANS = {"h": "hours", "d": "days", "w": "weeks"}
SHOWN: dict[str, Callable[[Any], str]] = {
    "size": lambda amount: f"{amount / 1e9:,.10g} GB",
    "params": lambda amount: f"{amount / 1e9:,.10g} B",
    "speed": lambda amount: f"{amount:,g} tokens/s",
}


def _days(value: str) -> str:
    if last := LAST.fullmatch(value):
        return f"within the last {last[1]} {SPANS[last[2].lower()]}"
    if days := DAYS.fullmatch(value):
        return f"from {days[1]} to {days[2]}"
    if compared := COMPARED.fullmatch(value):
        return f"{DAY_COMPARISONS[compared[1]]} {compared[2]}"
    return f"on {value}" if value[0].isdigit() else value
