"""The filter language for models: `key:condition[,key:condition...]`, read into an Expression; pure.

All conditions hold. A part without a colon is one more value of the key before it, and any of its values will do;
before the first key it is words that the name or key contains. A value with `,` or `:` stands in double quotes (`""`
is a quote in one). Names, tags and the like ignore case, `*` stands for anything; amounts take `>5GB`, `<=1.5GB`,
`1GB-10GB`; days are UTC. What is unknown of a model meets no condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from registry import sizes

LONGEST, MOST_PARTS = 2000, 100  # characters and parts of a filter
CLAUSE = re.compile(r"\s*([^\W\d_]+)\s*:", re.DOTALL)
QUOTED = re.compile(r'"((?:[^"]|"")*)"')
COMPARED = re.compile(r"(>=|<=|>|<|=)\s*(.*)", re.DOTALL)
DAY = r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|today|yesterday)"
DAYS = re.compile(rf"({DAY})\s*-\s*({DAY})", re.IGNORECASE)
LAST = re.compile(r"([0-9]{1,4})\s*([hdw])", re.IGNORECASE)
HOURS = {"h": 1, "d": 24, "w": 24 * 7}

Lookup = Literal["exact", "gt", "gte", "lt", "lte"]
LOOKUPS: dict[str, Lookup] = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "=": "exact"}


class BadFilter(ValueError):
    """A filter that cannot be read; the text names the part and what is allowed there."""


@dataclass(frozen=True)
class Bounds:
    """A value that meets every one of these comparisons."""

    limits: tuple[tuple[Lookup, int | float | datetime], ...]


@dataclass(frozen=True)
class Condition:
    """A key of which any of these values will do: texts (with `*`), names of choices, or Bounds."""

    key: str
    values: tuple[str | Bounds, ...]


@dataclass(frozen=True)
class Expression:
    """Conditions that all hold; none at all lets every model through."""

    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Key:
    """One key of the language: what it is about, and how its values are read.

    `choices` are the only values; `amount` reads a number; with neither a value is a text with `*`.
    """

    meaning: str
    examples: str
    choices: tuple[str, ...] = ()
    amount: Callable[[str], int | float] | None = None


KEYS = {
    "name": Key("name or key contains", "qwen, llama*instruct"),
    "status": Key("how far the context window is known", "tested", ("tested", "untested", "testing", "failed")),
    "size": Key("size of the file", ">5GB, <=1.5GB, 1GB-10GB", amount=sizes.bytes_of),
    "ctx": Key("tested context, in tokens", ">32768, 32k-128k, <=8192", amount=sizes.tokens_of),
    "declared": Key("declared context, in tokens", ">=128k, 8k-32k", amount=sizes.tokens_of),
    "type": Key("what it is for", "chat", ("chat", "code", "completion", "embedding", "vision")),
    "arch": Key("architecture", "llama, qwen*"),
    "params": Key("number of parameters", ">7B, 1B-4B, <=135M", amount=sizes.count_of),
    "quant": Key("quantization", "Q4_K_M, Q4*"),
    "server": Key("name of its server", "workstation, mac-*"),
    "state": Key(
        "where it is in memory", "loaded", ("unloaded", "loading", "loaded", "active", "unloading", "error")
    ),
    "tag": Key("a tag it has", "coding, my-*"),
    "group": Key("a group it is in", "daily, ci-*"),
    "date": Key("day of the last test, UTC", "today, >2024-01-01, 30d, 2024-01-01-2024-03-31"),
    "speed": Key("tokens per second", ">40, 20-60", amount=sizes.speed_of),
    "has": Key("a capability", "tools", ("vision", "tools", "reasoning")),
    "is": Key(
        "what holds for it", "favourite",
        ("favourite", "pinned", "stale", "missing", "overstated", "custom", "loaded", "drifting"),
    ),
}  # fmt: skip
WORDS = "words"  # the key of a text before any key: every word in name or key


@dataclass(frozen=True)
class Part:
    """A piece of a filter between two commas: its key ("" = none of its own) and its value without quotes."""

    text: str
    key: str
    value: str


def parse(text: str, *, now: datetime | None = None) -> Expression:
    """Reads a filter; BadFilter says what is wrong with which part. `now` is what `today` and `30d` count from."""
    _check_characters(text)
    if not text.strip():
        return Expression()
    now = now or datetime.now(UTC)
    conditions: list[Condition] = []
    for part in parts(text):
        key = part.key or (conditions[-1].key if conditions else WORDS)
        value = _value(key, part, now)
        if part.key or not conditions:
            conditions.append(Condition(key, (value,)))
        else:
            last = conditions.pop()
            conditions.append(Condition(key, (*last.values, value)))
    return Expression(tuple(conditions))


def parts(text: str) -> Iterator[Part]:
    """The parts of a filter, in order; BadFilter where a quote is not closed or a key is none."""
    pieces = _split(text)
    if len(pieces) > MOST_PARTS:
        raise BadFilter(f"This filter has {len(pieces):,} parts; at most {MOST_PARTS} can be read.")
    for piece in pieces:
        found = CLAUSE.match(piece)
        key = found[1].lower() if found else ""
        if not found and ":" in _bare(piece):
            key = piece.partition(":")[0].strip() or ":"
        if key and key not in KEYS:
            raise BadFilter(
                f'{_shown(piece)}: there is no key "{_short(key)}"; the keys are {", ".join(KEYS)}. '
                "A text with a colon stands in double quotes."
            )
        yield Part(piece, key, _unquoted(piece[found.end() :] if found else piece))


def _split(text: str) -> list[str]:
    """`text` at its commas, those in quotes left alone."""
    if text.count('"') % 2:
        raise BadFilter(f'{_shown(text)}: a double quote is not closed; a quote in a value is written "".')
    pieces, quoted = [""], False
    for sign in text:
        quoted ^= sign == '"'
        if sign == "," and not quoted:
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces


def _bare(piece: str) -> str:
    """What of a piece stands outside quotes."""
    return re.sub(r'"[^"]*"', "", piece)


def _unquoted(value: str) -> str:
    quoted = QUOTED.fullmatch(value.strip())
    return quoted[1].replace('""', '"').strip() if quoted else value.replace('"', "").strip()


def _check_characters(text: str) -> None:
    if len(text) > LONGEST:
        raise BadFilter(f"This filter has {len(text):,} characters; at most {LONGEST:,} can be read.")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise BadFilter("This filter has characters in it that are no text; write it with letters, digits and signs.")


def _value(key: str, part: Part, now: datetime) -> str | Bounds:
    """The value of `part`, read as `key` reads them."""
    if not part.value:
        if key == WORDS or not part.key:
            raise BadFilter("There is nothing before or after one of the commas of this filter; take the comma out.")
        raise BadFilter(f"{_shown(part.text)} needs a value, such as {KEYS[key].examples}.")
    if key == WORDS:
        return part.value
    about = KEYS[key]
    if about.choices:
        return _choice(key, about, part)
    try:
        if about.amount:
            return _amounts(part.value, about.amount)
        return _days(part.value, now) if key == "date" else part.value
    except ValueError as error:
        raise BadFilter(f"{_shown(part.text)}: {error}. {key} takes {about.examples}.") from error


def _choice(key: str, about: Key, part: Part) -> str:
    value = part.value.lower()
    value = "favourite" if value == "favorite" else value
    if value not in about.choices:
        raise BadFilter(f"{_shown(part.text)}: {key} is one of {', '.join(about.choices)}.")
    return value


def _amounts(value: str, amount: Callable[[str], int | float]) -> Bounds:
    if compared := COMPARED.fullmatch(value):
        return Bounds(((LOOKUPS[compared[1]], amount(compared[2])),))
    low, dash, high = value.partition("-")
    if not dash:
        return Bounds((("exact", amount(low)),))
    bounds = amount(low), amount(high)
    if bounds[0] > bounds[1]:
        raise ValueError("the range ends below its start")
    return Bounds((("gte", bounds[0]), ("lte", bounds[1])))


def _days(value: str, now: datetime) -> Bounds:
    if last := LAST.fullmatch(value):
        return Bounds((("gte", now - timedelta(hours=int(last[1]) * HOURS[last[2].lower()])),))
    if compared := COMPARED.fullmatch(value):
        start, end = _day(compared[2], now)
        return {
            ">": Bounds((("gte", end),)),
            ">=": Bounds((("gte", start),)),
            "<": Bounds((("lt", start),)),
            "<=": Bounds((("lt", end),)),
            "=": Bounds((("gte", start), ("lt", end))),
        }[compared[1]]
    days = DAYS.fullmatch(value)
    first, last_day = (_day(days[1], now), _day(days[2], now)) if days else (_day(value, now),) * 2
    if first > last_day:
        raise ValueError("the range ends before its start")
    return Bounds((("gte", first[0]), ("lt", last_day[1])))


def _day(text: str, now: datetime) -> tuple[datetime, datetime]:
    """The start of a day, and of the day after it."""
    today = now.astimezone(UTC).date()
    try:
        if not re.fullmatch(DAY, text.strip(), re.IGNORECASE):
            raise ValueError
        named = {"today": today, "yesterday": today - timedelta(days=1)}
        day = named.get(text.strip().lower()) or date.fromisoformat(text.strip())
        return datetime.combine(day, time(), UTC), datetime.combine(day + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f'"{_short(text)}" is not a day; write it like 2024-01-31') from error


def _shown(piece: str) -> str:
    return _short(piece.strip())


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
