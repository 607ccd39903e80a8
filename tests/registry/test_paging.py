"""Keyset pages."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from registry.models import LanguageModel, Registry, Server
from registry.paging import Page, page

pytestmark = [pytest.mark.django_db, pytest.mark.database]

COLUMNS = {
    "name": "name",
    "size": "size_bytes",
    "server": "server__name",
    "seen": "last_seen",
    "key": "key",
    "id": "pk",
}


def fill(sizes: list[int | None], **fields: Any) -> list[LanguageModel]:
    registry = Registry.objects.default()
    return LanguageModel.objects.bulk_create(
        LanguageModel(registry=registry, key=f"m{number:02}", name=f"name {number % 3}", size_bytes=size, **fields)
        for number, size in enumerate(sizes)
    )


def take(cursor: str | None = None, sort: str = "size", limit: int = 3, reverse: bool = False) -> Page[LanguageModel]:
    models = LanguageModel.objects.for_list()
    return page(models, sort=sort, reverse=reverse, cursor=cursor, limit=limit, columns=COLUMNS)


def walk(**options: Any) -> list[str]:
    found, cursor = [], None
    while True:
        part = take(cursor, **options)
        found += [model.key for model in part.items]
        cursor = part.next
        if cursor is None:
            return found


SIZES = [5, None, 3, 3, None, 9, 1, None, 3, 7]


def test_all_rows_come_once_in_order_with_unknown_values_last() -> None:
    fill(SIZES)
    assert walk() == ["m06", "m02", "m03", "m08", "m00", "m09", "m05", "m01", "m04", "m07"]


def test_reversed_unknown_values_still_come_last() -> None:
    fill(SIZES)
    assert walk(reverse=True) == ["m05", "m09", "m00", "m08", "m03", "m02", "m06", "m07", "m04", "m01"]


@pytest.mark.parametrize("sort", COLUMNS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("limit", [1, 4, 10, 100])
def test_every_order_shows_every_row_once(sort: str, reverse: bool, limit: int) -> None:
    fill(SIZES)
    assert sorted(walk(sort=sort, reverse=reverse, limit=limit)) == [f"m{number:02}" for number in range(10)]


@pytest.mark.parametrize("sort", ["size", "name", "server"])
@pytest.mark.parametrize("reverse", [False, True])
def test_going_back_shows_the_pages_gone_through(sort: str, reverse: bool) -> None:
    fill(SIZES)
    pages = [take(sort=sort, reverse=reverse)]
    while pages[-1].next:
        pages.append(take(pages[-1].next, sort=sort, reverse=reverse))
    for before, after in pairwise(pages):
        back = take(after.previous, sort=sort, reverse=reverse)
        assert back.items == before.items
        assert take(back.next, sort=sort, reverse=reverse).items == after.items


def test_the_first_page_has_no_previous_and_the_last_no_next() -> None:
    fill([1, 2, 3, 4])
    first = take()
    last = take(first.next)
    assert (first.previous, last.next, first.total, last.total) == (None, None, 4, 4)
    assert take(last.previous).previous is None


def test_a_row_that_comes_in_between_shifts_nothing() -> None:
    fill([10, 20, 30, 40, 50, 60])
    first = take()
    LanguageModel.objects.create(registry=Registry.objects.default(), key="new", name="new", size_bytes=5)
    LanguageModel.objects.filter(key="m00").delete()
    assert [model.key for model in take(first.next).items] == ["m03", "m04", "m05"]


def test_the_row_of_the_cursor_may_vanish() -> None:
    fill([10, 20, 30, 40])
    first = take()
    first.items[-1].delete()
    assert [model.key for model in take(first.next).items] == ["m03"]


def test_an_empty_list_is_an_empty_page() -> None:
    assert take() == Page([], None, None, 0)


def test_times_survive_the_cursor() -> None:
    models = fill([1] * 5)
    for number, model in enumerate(models):
        model.last_seen = f"2026-01-0{number + 1}T10:00:00.123456Z"
        model.save()
    assert walk(sort="seen", limit=1, reverse=True) == ["m04", "m03", "m02", "m01", "m00"]


def test_models_without_a_server_come_after_those_with_one() -> None:
    server = Server.objects.create(name="alpha", base_url="http://127.0.0.1:9")
    fill([1, 2, 3, 4])
    LanguageModel.objects.filter(key__in=["m02", "m03"]).update(server=server)
    assert walk(sort="server", limit=1) == ["m02", "m03", "m00", "m01"]


@pytest.mark.parametrize("cursor", ["x", "a:b", "é", "\ud800", "\x00", "." * 9000, "W10:abc"])
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="not one that LMStrix gave"):
        take(cursor)


def test_a_cursor_of_another_order_is_refused() -> None:
    fill([1, 2, 3, 4])
    with pytest.raises(ValueError, match="another list or order"):
        take(take().next, sort="name")


def test_an_unknown_column_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="name, size, server"):
        take(sort="password")


def test_queries_do_not_grow_with_rows(django_assert_num_queries: Any) -> None:
    fill(list(range(60)))
    with django_assert_num_queries(4):  # rows, tags, instances, count
        assert len(take(limit=50).items) == 50


def test_an_indexed_order_is_read_from_the_index(django_assert_max_num_queries: Any) -> None:
    fill(list(range(6)))
    cursor = take(sort="name").next
    with django_assert_max_num_queries(4) as captured:
        take(cursor, sort="name")
    assert isinstance(captured, CaptureQueriesContext)
    keys = captured[0]["sql"].split(" IN (SELECT ")[1]
    assert ">=" in keys
    assert "COUNT" not in keys  # what a list adds is not computed for rows that are not shown
