"""What list pages share: their order, their headings, their chips and their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import BadRequest
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from registry import paging

M = TypeVar("M", bound=Model)
PAGE_SIZE = 50
OPEN_SHOWN = 100  # running and waiting things shown above a list


@dataclass(frozen=True)
class Heading:
    """A column head: `sort` is an aria-sort value, `address` sorts by it (or turns the order round)."""

    name: str
    sort: str
    address: str


@dataclass(frozen=True)
class Chip:
    """A ready-made filter with its count; `address` switches it on, or off when it is on."""

    label: str
    count: int
    on: bool
    address: str


def address(request: HttpRequest, **changes: str | None) -> str:
    """The query string of this page with some parameters changed (None: taken out); it starts at the first page."""
    asked = request.GET.copy()
    for name, value in {"cursor": None, **changes}.items():
        asked.pop(name, None)
        if value is not None:
            asked[name] = value
    return "?" + asked.urlencode()


def chips(request: HttpRequest, parameter: str, counts: Iterable[tuple[str, int]]) -> list[Chip]:
    """Chips that set `parameter` to one of the counted values."""
    chosen = request.GET.get(parameter)
    return [
        Chip(label, count, label == chosen, address(request, **{parameter: None if label == chosen else label}))
        for label, count in counts
        if count or label == chosen
    ]


@dataclass(frozen=True)
class Order:
    """How a list is sorted, as its address says: `?sort=size&reverse=1`."""

    request: HttpRequest
    columns: Mapping[str, str]
    sort: str
    reverse: bool

    @classmethod
    def asked(cls, request: HttpRequest, columns: Mapping[str, str]) -> Order:
        sort = request.GET.get("sort", "")
        return cls(request, columns, sort if sort in columns else next(iter(columns)), "reverse" in request.GET)

    def headings(self) -> dict[str, Heading]:
        return {name: self._heading(name) for name in self.columns}

    def _heading(self, name: str) -> Heading:
        mine = name == self.sort
        direction = "descending" if self.reverse else "ascending"
        turned = "1" if mine and not self.reverse else None
        return Heading(name, direction if mine else "none", address(self.request, sort=name, reverse=turned))

    def page(self, rows: QuerySet[M], **known: Any) -> paging.Page[M]:
        """The page that the cursor in the address asks for; a bad cursor is a bad request. `known` as in paging."""
        return page(self.request, rows, sort=self.sort, reverse=self.reverse, columns=self.columns, **known)


def page(
    request: HttpRequest, rows: QuerySet[M], *, sort: str, reverse: bool, columns: Mapping[str, str], **known: Any
) -> paging.Page[M]:
    asked: dict[str, Any] = {"sort": sort, "reverse": reverse, "cursor": request.GET.get("cursor") or None}
    try:
        return paging.page(rows, limit=PAGE_SIZE, columns=columns, **asked, **known)
    except ValueError as error:
        raise BadRequest(str(error)) from error


def latest_first(request: HttpRequest, rows: QuerySet[M]) -> paging.Page[M]:
    """A page of a list that has one order only: newest first."""
    return page(request, rows, sort="id", reverse=True, columns={"id": "pk"})


def turning(request: HttpRequest, shown: paging.Page[M]) -> dict[str, str | None]:
    """The addresses of the pages before and after the one `shown`."""
    return {
        "previous": address(request, cursor=shown.previous) if shown.previous else None,
        "next": address(request, cursor=shown.next) if shown.next else None,
    }
