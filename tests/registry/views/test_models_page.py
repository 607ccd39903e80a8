"""The list of models: finding, search, chips, order, pages, and its speed with 10,000 of them."""

from datetime import timedelta
from time import process_time
from typing import cast

import pytest
from django.core.handlers.base import BaseHandler
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry import paging
from registry.models import Instance, LanguageModel, Registry, Tag
from registry.views.models import COLUMNS
from tests.builders import make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def names(page: Client, query: str = "") -> list[str]:
    return [model.name for model in page.get(f"/models/{query}").context["page"].items]


def heading(page: Client, query: str = "") -> str:
    return page.get(f"/models/{query}").content.decode().split("<h1>")[1].split("</h1>")[0]


def test_the_heading_says_how_many_are_verified(page: Client) -> None:
    make_model(test_status="tested", tested_context=8192)
    make_model()
    assert heading(page) == "2 models, one with a verified context window"


def test_the_search_finds_parts_of_keys_and_names_in_any_case(page: Client) -> None:
    make_model(key="org/Alpha-7B", name="Alpha")
    make_model(key="beta")
    assert names(page, "?filter=ORG/alp") == names(page, "?q=alpha 7b") == ["Alpha"]
    assert heading(page, "?q=alpha") == "1 of 2 models match"


@pytest.mark.parametrize("status", ["tested", "untested", "testing", "failed"])
def test_a_chip_narrows_to_one_status(page: Client, status: str) -> None:
    for each in ("tested", "untested", "testing", "failed"):
        make_model(name=each, test_status=each)
    assert names(page, f"?status={status}") == [status]


def test_stale_models_are_not_counted_as_tested(page: Client) -> None:
    make_model(name="old", test_status="tested", stale=True)
    assert names(page, "?status=tested") == []
    assert names(page, "?status=stale") == ["old"]


def test_a_server_chip_narrows_to_its_models(page: Client) -> None:
    make_model(name="here", server=make_server(name="a b&c"))
    make_model(name="there")
    chip = next(chip for chip in page.get("/models/").context["chips"] if chip.label == "a b&c")
    assert names(page, chip.address) == ["here"]


@pytest.mark.parametrize("sort", COLUMNS)
@pytest.mark.parametrize("reverse", ["", "&reverse=1"])
def test_unknown_values_come_last_in_both_directions(page: Client, sort: str, reverse: str) -> None:
    known = make_model(name="b", parameter_count=1, tested_context=1, tokens_per_second=1.0, last_tested=timezone.now())
    blank = {"size_bytes": None} if sort == "size" else {}
    unknown = LanguageModel.objects.create(registry=known.registry, key="a", name="a", **blank)
    last = names(page, f"?sort={sort}{reverse}")[-1]
    if sort not in ("name", "status"):
        assert last == unknown.name


def test_the_sorted_column_says_its_direction(page: Client) -> None:
    make_model()
    assert 'aria-sort="descending"' in page.get("/models/?sort=size&reverse=1").content.decode()


def test_sort_links_keep_the_filter_and_start_at_the_first_page(page: Client) -> None:
    make_model(name="x")
    link = page.get("/models/?status=untested&cursor=").context["headings"]["size"].address
    assert link == "?status=untested&sort=size"


def test_a_bad_cursor_is_a_bad_request_not_an_error(page: Client) -> None:
    assert page.get("/models/?cursor=nonsense").status_code == 400


def test_without_a_server_the_page_leads_to_adding_one(page: Client) -> None:
    assert "/servers/add/" in page.get("/models/").content.decode()


def test_without_a_match_the_page_leads_back_to_all(page: Client) -> None:
    make_model()
    assert "No model matches" in page.get("/models/?q=nothing").content.decode()


def test_a_viewer_gets_no_check_boxes(client: Client) -> None:
    make_model()
    client.force_login(make_user(role="viewer"))
    assert 'name="model"' not in client.get("/models/").content.decode()


def many(count: int) -> None:
    """`count` models of every status on four servers, with tags and loaded copies."""
    servers, registry = [make_server() for _ in range(4)], Registry.objects.default()
    now = timezone.now()
    models = LanguageModel.objects.bulk_create(
        LanguageModel(
            registry=registry, server=servers[n % 4], key=f"{servers[0].pk}/{n * 7919 % count}", name=f"model {n:05}",
            size_bytes=10**8 + n if n % 3 else None, declared_context=131_072, type="chat",
            test_status="tested" if n % 2 else "untested", tested_context=1024 * (n % 90) if n % 2 else None,
            last_tested=now - timedelta(minutes=n) if n % 2 else None,
        )
        for n in range(count)
    )  # fmt: skip
    Tag.objects.bulk_create(Tag(model=model, name="big") for model in models)
    Instance.objects.bulk_create(Instance(server=model.server, model=model, instance_id="i") for model in models[:500])


def cursor_of_the_last_page(sort: str) -> str:
    rows = LanguageModel.objects.all()
    before = paging.page(rows, sort=sort, reverse=False, cursor=None, limit=rows.count() - 50, columns=COLUMNS)
    return str(before.next)


def test_ten_thousand_models_cost_few_queries_and_little_time_on_the_first_and_last_page(page: Client) -> None:
    many(10_000)
    page.get("/models/")  # templates are read once per process
    for sort in ("name", "ctx", "server"):
        for query in (f"?sort={sort}", f"?sort={sort}&cursor={cursor_of_the_last_page(sort)}"):
            took = [timed(page, query) for _ in range(5)]
            assert queries_of(page, query) <= 12
            assert min(took) < 0.15, f"{query}: {took}"


def timed(page: Client, query: str) -> float:
    """Seconds of CPU of one request for a full page: what else runs on the machine does not count."""
    server = BaseHandler()  # all middleware, without the test client's copies of every context
    server.load_middleware()
    request = RequestFactory().get(f"/models/{query}")
    request.COOKIES = {name: morsel.value for name, morsel in page.cookies.items()}
    start = process_time()
    answer = cast(HttpResponse, server.get_response(request))
    took = process_time() - start
    assert answer.content.count(b'name="model"') == 50
    return took


def queries_of(page: Client, query: str = "") -> int:
    with CaptureQueriesContext(connection) as queries:
        page.get(f"/models/{query}")
        return len(queries)


def test_queries_do_not_grow_with_rows(page: Client) -> None:
    many(10)
    few = queries_of(page)
    many(40)
    assert queries_of(page) == few > 0
