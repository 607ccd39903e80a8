"""Lists: `{"items", "next", "total"}`, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Protocol, TypeVar, cast

from django.db.models import Model, QuerySet
from django.http import Http404, HttpResponse
from pydantic import BaseModel, Field

from registry.api.fields import Cursor
from registry.paging import page

M = TypeVar("M", bound=Model)
S = TypeVar("S", bound=BaseModel)


class Listing(BaseModel):
    """Which part of a list is wanted."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Annotated[Cursor | None, Field(description="`next` of the page before")] = None


class Items(BaseModel, Generic[S]):
    """One page of a list; `next` is null on the last page, `total` counts all pages."""

    items: list[S]
    next: str | None
    total: int


class Shape(Protocol):
    """How a row looks from outside."""

    @classmethod
    def of(cls, row: Any, /) -> Any: ...


def listed(
    shape: type[S],
    rows: QuerySet[Any],
    wanted: Listing,
    *,
    sort: str = "id",
    reverse: bool = False,
    columns: Mapping[str, str] | None = None,
    shown: QuerySet[Any] | None = None,
) -> Items[S]:
    """The wanted page of `rows`, each as `shape`; a bad cursor or sort name is a ValueError for people.

    A shape with `of_all` is given all rows of the page at once. `shown`: as in `paging.page`.
    """
    columns = columns or {"id": "pk"}
    part = page(
        rows, sort=sort, reverse=reverse, cursor=wanted.cursor, limit=wanted.limit, columns=columns, shown=shown
    )
    of_all = getattr(shape, "of_all", None)
    items = of_all(part.items) if of_all else [cast(type[Shape], shape).of(row) for row in part.items]
    return Items[shape](items=items, next=part.next, total=part.total)  # type: ignore[valid-type]


def as_answer(items: Items[Any]) -> HttpResponse:
    """`items` as they go out; without being checked a second time, which takes long for 1,000 of them."""
    return HttpResponse(items.model_dump_json(), content_type="application/json; charset=utf-8")


def found(rows: QuerySet[M], noun: str, **lookup: Any) -> M:
    """The one row that matches; Http404 with a sentence that names what was looked for."""
    row = rows.filter(**lookup).first()
    if row is None:
        raise Http404(f"There is no {noun} {next(iter(lookup.values()))!r}.")
    return row
