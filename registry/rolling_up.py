"""Keeps the sums of inference records by hour and day: added to as records come, derived anew to check them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import add
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from registry.inserting import portions
from registry.models import InferenceRecord, Retention, Rollup
from registry.models.usage import Period, Scope
from registry.summing import COUNTS, SKETCHES, Key, Sums, Told, cells, rolled_up

TABLE = Rollup._meta.db_table
DAY = timedelta(days=1)
LOCK = 0x4C4D5852  # a number of ours: who holds it adds to rollups

log = logging.getLogger(__name__)


def take_turns() -> None:
    """Waits until nobody else adds to rollups, to the end of this transaction.

    On SQLite every transaction that may write holds the database for itself already.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def add_to_rollups(requests: Iterable[Told]) -> None:
    """Adds requests whose records are new; in the transaction that inserts them, after `take_turns`."""
    fresh = rolled_up(cells(requests))
    whole = {key: _Row(sums.counts, sums.sketches) for key, sums in fresh.items()}
    for key, row in _stored(list(fresh)):
        whole[key] = row.plus(fresh[key])
    _write(whole)


def rederive(start: datetime | None = None, end: datetime | None = None) -> list[Key]:
    """Derives the rollups of whole days (UTC) anew from their records, and mends those that differ; gives these.

    From the day of `start` to before `end`, by default all. One short transaction a day. Days whose records are not
    kept any more are left alone: their sums are all that is known of them.
    """
    first = _first_day()
    if first is None:
        return []
    day = max(first, _midnight(start)) if start else first
    stop = end or timezone.now() + 2 * DAY
    wrong: list[Key] = []
    while day < stop:
        wrong += _rederive_day(day)
        day = _next_day(day, stop)
    return wrong


def check_yesterday() -> list[Key]:
    """Re-derives yesterday and says in the log what differed; sums that were right are the rule."""
    today = _midnight(timezone.now())
    wrong = rederive(today - DAY, today)
    for key in wrong[:20]:
        log.error("A sum of requests did not equal its records and was derived anew: %s", key)
    log.info("Sums of %s derived anew: %d differed.", (today - DAY).date(), len(wrong))
    return wrong


def _rederive_day(day: datetime) -> list[Key]:
    with transaction.atomic():
        take_turns()
        derived = rolled_up(cells(_records(day, day + DAY)))
        stored = dict(_stored_between(day, day + DAY))
        wrong = [key for key in derived.keys() | stored.keys() if derived.get(key) != stored.get(key)]
        right = ((key, derived[key]) for key in wrong if key in derived)
        _write({key: _Row(sums.counts, sums.sketches) for key, sums in right})
        _delete([key for key in wrong if key not in derived])
    return sorted(wrong)


def _records(start: datetime, end: datetime) -> Iterator[Told]:
    names = Told._fields
    rows = InferenceRecord.objects.filter(started__gte=start, started__lt=end).order_by()
    for began, model, server, token, *more in rows.values_list(*names).iterator(chunk_size=5_000):
        yield Told(began, model or 0, server or 0, token or 0, *more)


def _first_day() -> datetime | None:
    """The first day of which all records are here; None when there are none."""
    oldest = InferenceRecord.objects.order_by("started").values_list("started", flat=True).first()
    days = Retention.objects.values_list("record_days", flat=True).first()
    if oldest is None:
        return None
    day = _midnight(oldest)
    return day if days is None else max(day, _midnight(timezone.now()) - (days - 1) * DAY)


def _next_day(day: datetime, stop: datetime) -> datetime:
    """The next day with records or rollups: years without any cost nothing."""
    after = day + DAY
    record = InferenceRecord.objects.filter(started__gte=after).order_by("started").values_list("started", flat=True)
    rollup = Rollup.objects.filter(scope="all", period="day", start__gte=after).order_by("start")
    found = [_midnight(each) for each in (record.first(), rollup.values_list("start", flat=True).first()) if each]
    return min(found, default=stop)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


# rows, read and written without the ORM: a hundred thousand of them are derived at once


class _Row(NamedTuple):
    """A rollup as it lies in the table: the few buckets that are new are poured into the many that are there."""

    counts: Sequence[int]
    sketches: Sequence[dict[Any, int]]

    def plus(self, fresh: Sums) -> _Row:
        for known, more in zip(self.sketches, fresh.sketches, strict=True):
            for number, times in more.items():
                name = str(number)
                known[name] = known.get(name, 0) + times
        return _Row([*map(add, self.counts, fresh.counts)], self.sketches)


def _stored(keys: Sequence[Key]) -> Iterator[tuple[Key, _Row]]:
    """The rollups of these keys, as far as they are there."""
    same = " AND ".join(f"r.{name} = w.{name}" for name in Key._fields)
    for some in portions(keys):
        wanted = ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(some))
        statement = (
            f"WITH w (place, {', '.join(Key._fields)}) AS (VALUES {wanted}) "  # noqa: S608  (names of columns)
            f"SELECT w.place, {', '.join(f'r.{name}' for name in COUNTS)}, "
            f"{', '.join(f'CAST(r.{name} AS text)' for name in SKETCHES)} FROM w JOIN {TABLE} r ON {same}"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [value for place, key in enumerate(some) for value in (place, *_plain(key))])
            for place, *told in cursor.fetchall():
                yield some[place], _row(told)


def _stored_between(start: datetime, end: datetime) -> Iterator[tuple[Key, Sums]]:
    texts = [Cast(name, TextField()) for name in SKETCHES]
    # every scope and period by name: that is how the index begins
    rows = Rollup.objects.filter(scope__in=Scope.values, period__in=Period.values, start__gte=start, start__lt=end)
    for row in rows.order_by().values_list(*Key._fields, *COUNTS, *texts).iterator(chunk_size=2_000):
        counts, sketches = _row(row[len(Key._fields) :])
        numbered = ({int(name): times for name, times in sketch.items()} for sketch in sketches)
        yield Key(*row[: len(Key._fields)]), Sums(counts, numbered)


def _row(told: Sequence[Any]) -> _Row:
    return _Row(told[: len(COUNTS)], [orjson.loads(text) for text in told[len(COUNTS) :]])


def _write(rollups: Mapping[Key, _Row]) -> None:
    """Makes these rollups what is told, whether they are there or not."""
    rows = [(*_plain(key), *row.counts, *map(_text, row.sketches)) for key, row in rollups.items()]
    for some in portions(rows):
        with connection.cursor() as cursor:
            cursor.execute(_upsert(len(some)), [value for row in some for value in row])


@lru_cache
def _upsert(rows: int) -> str:
    columns = (*Key._fields, *COUNTS, *SKETCHES)
    values = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * rows)
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in (*COUNTS, *SKETCHES))
    return (
        f"INSERT INTO {TABLE} ({', '.join(columns)}) VALUES {values} "  # noqa: S608  (names of columns)
        f"ON CONFLICT ({', '.join(Key._fields)}) DO UPDATE SET {changes}"
    )


def _text(sketch: Mapping[Any, int]) -> str:
    return orjson.dumps(sketch, option=orjson.OPT_NON_STR_KEYS).decode()


def _delete(keys: Sequence[Key]) -> None:
    for key in keys:
        Rollup.objects.filter(**key._asdict()).delete()


def _plain(key: Key) -> tuple[Any, ...]:
    """A key as the database's driver takes it."""
    return (*key[:-1], _moment(connection.vendor, key.start))


@lru_cache(maxsize=4096)
def _moment(vendor: str, start: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(start)
