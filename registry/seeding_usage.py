"""Writes a year of plausible requests for demonstrations and measurements: busy days, quiet nights and weekends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from registry import record_rows, rolling_up
from registry.models import ApiToken, LanguageModel, Registry, Role
from registry.models.usage import Outcome, Source
from registry.record_rows import Row

DAYS = 365
USED = 6  # models that get all requests
# who asks, which of the models, and how much of all
ASKING = (("demo editor", (0, 1), 0.55), ("demo chat room", (0, 2, 3), 0.35), ("demo reports", (4, 5), 0.1))
MOST = 100_000_000
CHUNK = 20_000  # rows of one transaction
# how busy the hours of a working day (UTC) are
HOURS = (2, 1, 1, 1, 1, 2, 5, 14, 40, 70, 85, 80, 55, 70, 90, 95, 80, 60, 35, 22, 18, 14, 8, 4)
WEEKEND = 0.35


class Used(NamedTuple):
    """A model that is asked, and how fast it is: microseconds for a token out, for one in."""

    model: LanguageModel
    out_us: float
    in_us: float


class Asking(NamedTuple):
    """A program, the models it asks (the first most), and its share of all requests."""

    token: int
    models: list[Used]
    share: float


def seed_records(registry: Registry, count: int) -> int:
    """Writes `count` requests over the last year to a few models of the registry, with their sums.

    ValueError when there are no models, or too many requests are asked for.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"Ask for 1 to {MOST:,} requests.")
    models = list(registry.models.exclude(tokens_per_second=None).order_by("pk")[:USED])
    models = models or list(registry.models.order_by("pk")[:USED])
    if not models:
        raise ValueError(f"Registry {registry} has no models to ask; write some first (--models N).")
    chance = Random(f"{count} {models[0].pk}")  # noqa: S311  (numbers for show, no secrets)
    used = [_used(model) for model in models]
    asking = [
        Asking(_token(name), [used[place % len(used)] for place in places], share) for name, places, share in ASKING
    ]
    rows: list[Row] = []
    for hour, times in _hours(count, chance, timezone.now()):
        rows += _requests(hour, times, asking, chance)
        if len(rows) >= CHUNK:
            _write(rows)
            rows = []
    _write(rows)
    return count


def _used(model: LanguageModel) -> Used:
    speed = model.tokens_per_second or 40.0
    return Used(model, 1e6 / speed, 1e6 / speed / 25)


def _token(name: str) -> int:
    """A token that opens nothing: its secret was never seen, and it is revoked."""
    token = ApiToken.objects.filter(name=name).first()
    if token is None:
        token, _ = ApiToken.issue(name, Role.OPERATOR)
        token.revoke()
    return token.pk


def _hours(count: int, chance: Random, now: datetime) -> Iterator[tuple[datetime, int]]:
    """Each whole hour of the last year, and how many of all requests came in it; use doubles over the year."""
    last = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    hours = [last - timedelta(hours=back) for back in range(DAYS * 24 - 1, -1, -1)]
    moods = {hour.date(): chance.uniform(0.7, 1.3) for hour in hours}
    shares = [
        HOURS[hour.hour] * moods[hour.date()] * (WEEKEND if hour.weekday() >= 5 else 1) * (1 + place / len(hours))
        for place, hour in enumerate(hours)
    ]
    whole, due, given = sum(shares), 0.0, 0
    for hour, share in zip(hours, shares, strict=True):
        due += share
        times = round(count * due / whole) - given
        given += times
        if times:
            yield hour, times


def _requests(hour: datetime, times: int, asking: Sequence[Asking], chance: Random) -> Iterator[Row]:
    step = 3_600_000_000 // times
    for number, who in enumerate(chance.choices(asking, [each.share for each in asking], k=times)):
        started = hour + timedelta(microseconds=number * step + int(chance.random() * step))
        place = min(int(chance.expovariate(1)), len(who.models) - 1)
        yield _request(started, who.models[place], who.token, chance)


def _request(started: datetime, used: Used, token: int, chance: Random) -> Row:
    model, luck = used.model, chance.random()
    embedding = model.type == "embedding"
    stream = not embedding and luck < 0.8
    read, written = int(chance.lognormvariate(6.2, 1.0)) + 1, 0 if embedding else int(chance.lognormvariate(5, 0.9)) + 1
    ttft = int(read * used.in_us * chance.uniform(0.8, 1.6)) + 20_000
    duration = ttft + int(written * used.out_us * chance.uniform(0.9, 1.3))
    outcome, status, error, luck = Outcome.OK.value, 200, "", chance.random()
    if luck < 0.03:
        outcome, status, error, written, duration = _trouble(luck, written, duration)
    return (
        started, model.pk, model.server_id, token, outcome, stream, duration, ttft if stream else None, read, written,
        None, _uuid(started, chance), model.key, "embeddings" if embedding else "chat", Source.GATEWAY.value, status,
        error, False, 300,
    )  # fmt: skip


def _trouble(luck: float, written: int, duration: int) -> tuple[str, int, str, int, int]:
    """One in thirty goes wrong: half of these are the server's errors."""
    if luck < 0.015:
        return Outcome.ERROR.value, 502, "The server ran out of memory.", 0, duration // 4
    if luck < 0.025:
        return Outcome.INTERRUPTED.value, 200, "", written // 2, duration // 2
    return Outcome.REFUSED.value, 400, "The prompt is longer than the window that was verified.", 0, 900


def _uuid(started: datetime, chance: Random) -> UUID:
    """In the order of time (version 7): ten million random ones would be written all over their index."""
    moment = int(started.timestamp() * 1000)
    return UUID(int=(moment << 80) | (7 << 76) | (chance.getrandbits(12) << 64) | (2 << 62) | chance.getrandbits(62))


def _write(rows: Sequence[Row]) -> None:
    """Rows and their sums in one transaction."""
    if rows:
        with transaction.atomic():
            rolling_up.take_turns()
            record_rows.insert(rows)
            rolling_up.add_to_rollups(map(record_rows.told, rows))
