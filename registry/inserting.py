"""Writes many rows at once with the database's own means: several times as fast as `bulk_create`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

from django.db import connection
from django.db.models import BooleanField, CharField, Field, FloatField, ForeignKey, IntegerField, Model, TextField

# what the drivers take as it is
PLAIN = (BooleanField, CharField, FloatField, ForeignKey, IntegerField, TextField)
PORTIONS = (256, 64, 16, 4, 1)  # rows of one statement

Row = TypeVar("Row")


def portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in portions of few different lengths: each length is a statement of its own that the driver keeps."""
    first = 0
    for length in PORTIONS:
        while len(rows) - first >= length:
            yield rows[first : first + length]
            first += length


def insert(rows: Sequence[Model], *, unique: Sequence[str] = (), update: Sequence[str] = ()) -> None:
    """Inserts rows of one table; those that have no primary key get one, but it is not filled in.

    With `unique` (columns of a unique index) a row that is there already gets the columns `update` of the new one.
    """
    if not rows:
        return
    table = rows[0]._meta
    columns = [field for field in table.concrete_fields if not field.primary_key or rows[0].pk is not None]
    names = {field.name: connection.ops.quote_name(str(field.column)) for field in table.concrete_fields}
    statement = "INSERT INTO {} ({}) VALUES ({})".format(  # noqa: S608  (names of columns, not values)
        connection.ops.quote_name(table.db_table),
        ", ".join(names[field.name] for field in columns),
        ", ".join(["%s"] * len(columns)),
    )
    if unique:
        same = ", ".join(names[name] for name in unique)
        changes = ", ".join(f"{names[name]} = EXCLUDED.{names[name]}" for name in update)
        statement += f" ON CONFLICT ({same}) DO UPDATE SET {changes}"
    with connection.cursor() as cursor:
        # Django's cursors take any iterable
        cursor.executemany(statement, cast("Sequence[Sequence[Any]]", _values(rows, columns)))


def _values(rows: Sequence[Model], columns: Sequence[Field[Any, Any]]) -> Iterator[list[Any]]:
    names = [field.attname for field in columns]
    adapted = [(place, field) for place, field in enumerate(columns) if not isinstance(field, PLAIN)]
    for row in rows:
        values = [getattr(row, name) for name in names]
        for place, field in adapted:
            values[place] = field.get_db_prep_save(values[place], connection)
        yield values
