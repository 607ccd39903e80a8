"""Keyset pages: as fast at the end of a list as at its start, and steady while rows come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import FieldDoesNotExist
from django.core.signing import BadSignature, Signer
from django.db.models import F, Field, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import Coalesce

M = TypeVar("M", bound=Model)

_signer = Signer(salt="registry.paging")


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows of a list of `total`; `next` and `previous` are cursors, None at the ends."""

    items: list[M]
    next: str | None
    previous: str | None
    total: int


def page(
    queryset: QuerySet[M],
    *,
    sort: str,
    reverse: bool,
    cursor: str | None,
    limit: int,
    columns: Mapping[str, str],
    total: int | None = None,
    shown: QuerySet[M] | None = None,
) -> Page[M]:
    """At most `limit` rows of `queryset` from `cursor` on, in the order of `columns[sort]` and then of the keys.

    `columns` maps the names people sort by to field paths or annotations. Unknown values (NULL) come last, also in
    reverse. `shown` is how the rows are read, without the conditions of `queryset`, which need not be tried twice.
    Takes one query plus the prefetches, and one that counts unless `total` is known. An unknown `sort` or a bad cursor
    is a ValueError for people.
    """
    if sort not in columns:
        raise ValueError(f"Cannot sort by {sort!r}; use one of: {', '.join(columns)}.")
    order = _Order(queryset, queryset if shown is None else shown, sort, columns[sort], reverse)
    mark = order.read(cursor) if cursor else None
    rows = order.rows(mark, limit + 1)
    if mark and mark.backwards and len(rows) <= limit:
        mark, rows = None, order.rows(None, limit + 1)  # the start of the list is near: show a full first page
    more, rows = len(rows) > limit, rows[:limit]
    backwards = mark is not None and mark.backwards
    if backwards:
        rows.reverse()
    return Page(
        items=rows,
        next=order.cursor(rows[-1], backwards=False) if rows and (more or backwards) else None,
        previous=order.cursor(rows[0], backwards=True) if rows and mark else None,
        total=queryset.count() if total is None else total,
    )


@dataclass(frozen=True)
class _Mark:
    """The row a page starts behind: its key and its value in the sorted column."""

    pk: Any
    value: Any
    backwards: bool


class _Order(Generic[M]):
    """One order of one list."""

    def __init__(self, queryset: QuerySet[M], shown: QuerySet[M], sort: str, path: str, reverse: bool) -> None:
        self.queryset, self.shown = queryset.annotate(_sort=F(path)), shown.annotate(_sort=F(path))
        self.field: Field[Any, Any] = self.queryset.query.annotations["_sort"].output_field
        self.nullable = _nullable(queryset, path)
        self.path, self.joined = path, self.nullable and LOOKUP_SEP in path
        self.reverse = reverse
        self.name = f"{queryset.model._meta.label_lower} {sort} {int(reverse)}"

    def rows(self, mark: _Mark | None, count: int) -> list[M]:
        """The `count` rows after `mark`, or before it when it looks backwards.

        The keys are found in a query inside the query: what a list adds to each row is computed for these rows only.
        """
        found: list[M] = []
        for part, nullable in self._parts(mark):
            found += self._rows(part, nullable, mark, count - len(found)) if len(found) < count else []
        return found

    def _parts(self, mark: _Mark | None) -> list[tuple[QuerySet[Any], bool]]:
        """The rows as a whole, or first those that have the other row they are sorted by and then those without.

        Beside each, whether what it is sorted by can be unknown. Only an inner join lets a database go through the
        other table in its order.
        """
        if not self.joined:
            return [(self.queryset, self.nullable)]
        parts = {
            known: (self.queryset.filter(**{f"{self.path}__isnull": not known}), not known) for known in (True, False)
        }
        if mark is None:
            return [parts[True], parts[False]]
        known = mark.value is not None
        return [parts[known]] if known == mark.backwards else [parts[known], parts[not known]]

    def _rows(self, part: QuerySet[Any], nullable: bool, mark: _Mark | None, count: int) -> list[M]:
        backwards = mark is not None and mark.backwards
        down = self.reverse != backwards
        rows = part.filter(self._beyond(mark, down, nullable)) if mark else part
        keys = rows.order_by(*self._by(F("_sort"), down, backwards, nullable)).values("pk")[:count]
        # the same order in a form that no index answers: these few rows are looked up by their keys
        order = self._by(Coalesce(F("_sort"), F("_sort")), down, backwards, nullable)
        return list(self.shown.filter(pk__in=keys).order_by(*order))

    def _by(self, column: Any, down: bool, backwards: bool, nullable: bool) -> tuple[Any, str]:
        nulls = {"nulls_first" if backwards else "nulls_last": True} if nullable else {}
        return (column.desc(**nulls), "-pk") if down else (column.asc(**nulls), "pk")

    def _beyond(self, mark: _Mark, down: bool, nullable: bool) -> Q:
        side = "lt" if down else "gt"
        further = Q(**{f"pk__{side}": mark.pk})
        if mark.value is None:
            known = Q(_sort__isnull=False) if mark.backwards else Q()
            return (Q(_sort__isnull=True) & further) | known if known else Q(_sort__isnull=True) & further
        beyond = Q(**{f"_sort__{side}": mark.value}) | (Q(_sort=mark.value) & further)
        if not nullable:  # says the same once more, in a form that an index answers
            return Q(**{f"_sort__{side}e": mark.value}) & beyond
        return beyond if mark.backwards else beyond | Q(_sort__isnull=True)

    def cursor(self, row: M, *, backwards: bool) -> str:
        value = vars(row)["_sort"]
        told = value.isoformat() if isinstance(value, datetime) else value
        return _signer.sign_object([self.name, int(backwards), row.pk, told], compress=True)

    def read(self, cursor: str) -> _Mark:
        try:
            name, backwards, pk, value = _signer.unsign_object(cursor)
        except (BadSignature, ValueError) as error:
            raise ValueError("This cursor is not one that LMStrix gave; start again without it.") from error
        if name != self.name:
            raise ValueError("This cursor belongs to another list or order; start again without it.")
        return _Mark(pk, self.field.to_python(value), bool(backwards))


def _nullable(queryset: QuerySet[Any], path: str) -> bool:
    """Whether the column can be unknown: itself, or the row it is reached through."""
    model: Any = queryset.model
    for name in path.split(LOOKUP_SEP):
        if name == "pk":
            return False
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            return True  # an annotation
        if field.null:
            return True
        model = field.related_model
    return False
