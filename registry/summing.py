"""Sums of requests by hour and day, and by whom and what they were for: whole numbers only, so adding is exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from operator import add
from typing import NamedTuple

from registry.sketches import bucket

ALL, MODEL, TOKEN, CELL = "all", "model", "token", "cell"
HOUR, DAY = "hour", "day"

COUNTS = (
    "requests", "ok", "errors", "refused", "interrupted", "tokens_in", "tokens_out", "tokens_unsplit",
    "duration_us", "duration_count", "ttft_us", "ttft_count", "generation_us", "generated_tokens",
)  # fmt: skip
SKETCHES = ("durations", "ttfts", "token_times")
_OUTCOMES = {"ok": 1, "error": 2, "refused": 3, "interrupted": 4}  # places in COUNTS


class Told(NamedTuple):
    """What is summed of one request; ids that are not known are 0, times are microseconds."""

    started: datetime
    model_id: int
    server_id: int
    token_id: int
    outcome: str
    stream: bool
    duration_us: int | None
    ttft_us: int | None
    tokens_in: int | None
    tokens_out: int | None
    tokens_unsplit: int | None


class Cell(NamedTuple):
    """The requests of one hour to one model on one server by one token."""

    hour: datetime
    model_id: int
    server_id: int
    token_id: int


class Key(NamedTuple):
    """Which rollup: in the order of its unique index."""

    scope: str
    period: str
    model_id: int
    token_id: int
    server_id: int
    start: datetime


class Sums:
    """What one rollup holds: `counts` in the order of COUNTS, `sketches` (bucket -> count) in that of SKETCHES."""

    __slots__ = ("counts", "sketches")

    def __init__(self, counts: Iterable[int] | None = None, sketches: Iterable[dict[int, int]] | None = None) -> None:
        self.counts = list(counts) if counts is not None else [0] * len(COUNTS)
        self.sketches: list[dict[int, int]] = list(sketches) if sketches is not None else [{}, {}, {}]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sums) and self.counts == other.counts and self.sketches == other.sketches

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<Sums of {self.counts[0]} requests>"

    def add(self, told: Told) -> None:
        """Adds one request. Times are those of answers: a refusal in no time says nothing of a model."""
        counts = self.counts
        counts[0] += 1
        counts[_OUTCOMES[told.outcome]] += 1
        counts[5] += told.tokens_in or 0
        counts[6] += told.tokens_out or 0
        counts[7] += told.tokens_unsplit or 0
        if told.outcome != "ok":
            return
        duration, ttft = told.duration_us, told.ttft_us
        if duration is not None:
            counts[8] += duration
            counts[9] += 1
            _count(self.sketches[0], duration)
        if ttft is not None:
            counts[10] += ttft
            counts[11] += 1
            _count(self.sketches[1], ttft)
        if duration is not None:
            self._add_speed(told, duration, ttft)

    def _add_speed(self, told: Told, duration: int, ttft: int | None) -> None:
        """Tokens and the time in which they came: after the first token where that was seen, else all of it."""
        tokens = told.tokens_out if told.tokens_out is not None else told.tokens_unsplit
        spent = duration - ttft if told.stream and ttft is not None else duration
        if tokens and spent > 0:
            self.counts[12] += spent
            self.counts[13] += tokens
            _count(self.sketches[2], spent // tokens)

    def copy(self) -> Sums:
        return Sums(self.counts, (dict(sketch) for sketch in self.sketches))

    def merge(self, other: Sums) -> None:
        self.counts = list(map(add, self.counts, other.counts))
        for own, more in zip(self.sketches, other.sketches, strict=True):
            for number, times in more.items():
                own[number] = own.get(number, 0) + times


def _count(sketch: dict[int, int], value: int) -> None:
    number = bucket(value)
    sketch[number] = sketch.get(number, 0) + 1


def cells(requests: Iterable[Told]) -> dict[Cell, Sums]:
    """Sums by hour, model, server and token."""
    found: dict[Cell, Sums] = {}
    for told in requests:
        hour = told.started.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        cell = Cell(hour, told.model_id, told.server_id, told.token_id)
        sums = found.get(cell)
        if sums is None:
            sums = found[cell] = Sums()
        sums.add(told)
    return found


def rolled_up(by_cell: Mapping[Cell, Sums]) -> dict[Key, Sums]:
    """Every rollup that these cells are part of, by hour and day (UTC)."""
    hours: dict[Key, Sums] = {}
    for (hour, model, server, token), sums in by_cell.items():
        for key in (
            Key(ALL, HOUR, 0, 0, 0, hour),
            Key(MODEL, HOUR, model, 0, 0, hour),
            Key(TOKEN, HOUR, 0, token, 0, hour),
            Key(CELL, HOUR, model, token, server, hour),
        ):
            _pour(hours, key, sums)
    days: dict[Key, Sums] = {}
    for key, sums in hours.items():
        _pour(days, key._replace(period=DAY, start=key.start.replace(hour=0)), sums)
    return hours | days


def _pour(into: dict[Key, Sums], key: Key, sums: Sums) -> None:
    if known := into.get(key):
        known.merge(sums)
    else:
        into[key] = sums.copy()
