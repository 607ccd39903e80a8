"""Inference records as plain rows, written without the ORM: thousands come in a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from django.db import connection

from registry.inserting import portions
from registry.models import InferenceRecord
from registry.summing import Told

SUMMED = len(Told._fields)
COLUMNS = (*Told._fields, "uuid", "model_key", "endpoint", "source", "status", "error", "estimated", "overhead_us")
UUID_PLACE = COLUMNS.index("uuid")

Row = tuple[Any, ...]  # values in the order of COLUMNS

row_of = attrgetter(*COLUMNS)


def told(row: Row) -> Told:
    """What is summed of a row."""
    return Told(row[0], row[1] or 0, row[2] or 0, row[3] or 0, *row[4:SUMMED])


def insert(rows: Sequence[Row]) -> None:
    """Inserts rows whose uuid is known to be new."""
    for some in portions(rows):
        with connection.cursor() as cursor:
            cursor.execute(_statement(connection.vendor, len(some)), [value for row in _adapted(some) for value in row])


def insert_new(rows: Sequence[Row]) -> list[Row]:
    """Inserts the rows whose uuid is not there yet; gives these."""
    new: list[Row] = []
    for some in portions(rows):
        adapted = list(_adapted(some))
        statement = _statement(connection.vendor, len(some)) + " ON CONFLICT (uuid) DO NOTHING RETURNING uuid"
        with connection.cursor() as cursor:
            cursor.execute(statement, [value for row in adapted for value in row])
            inserted = {name for (name,) in cursor.fetchall()}
        for row, plain in zip(some, adapted, strict=True):
            if plain[UUID_PLACE] in inserted:
                inserted.remove(plain[UUID_PLACE])  # the second of two with one uuid was left out
                new.append(row)
    return new


@lru_cache
def _statement(vendor: str, rows: int) -> str:
    table = InferenceRecord._meta
    quote = connection.ops.quote_name
    fields = {field.attname: field for field in table.concrete_fields}
    names = ", ".join(quote(str(fields[name].column)) for name in COLUMNS)
    values = ", ".join([f"({', '.join(['%s'] * len(COLUMNS))})"] * rows)
    return f"INSERT INTO {quote(table.db_table)} ({names}) VALUES {values}"  # noqa: S608  (names of columns)


def _adapted(rows: Iterable[Row]) -> Iterator[Row]:
    """As the database's driver takes them: `started` comes first, `uuid` after what is summed."""
    native = connection.features.has_native_uuid_field
    adapt = connection.ops.adapt_datetimefield_value
    for row in rows:
        uuid = row[UUID_PLACE]
        yield (adapt(row[0]), *row[1:UUID_PLACE], uuid if native else uuid.hex, *row[UUID_PLACE + 1 :])
