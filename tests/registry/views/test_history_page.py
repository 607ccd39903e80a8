"""History: who changed what, narrowed and page by page."""

import pytest
from django.test import Client

from registry import auditing
from registry.acting import Actor, acting
from registry.models import Role
from tests.builders import make_model, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role=Role.VIEWER))
    return client


def names(page: Client, query: str = "") -> list[str]:
    return [event.name for event in page.get(f"/history/{query}").context["events"]]


def test_the_newest_change_is_first(page: Client) -> None:
    for key in ("first", "second"):
        auditing.note("edit", make_model(key=key))
    assert names(page) == ["second", "first"]


def test_a_change_is_told_in_words_with_old_and_new(page: Client) -> None:
    with acting(Actor("page", name="noor")):
        auditing.note("edit", make_model(name="Alpha"), changes={"declared_context": (4096, 8192)})
    body = page.get("/history/").content.decode()
    assert '<b class="w6">noor</b> edited' in body
    assert "on a page" in body
    assert "declared context" in body
    assert "4,096" in body
    assert "8,192" in body


@pytest.mark.parametrize("query", ["?who=noor", "?door=rest", "?kind=group", "?action=delete"])
def test_the_list_is_narrowed_by_who_door_kind_and_action(page: Client, query: str) -> None:
    auditing.note("edit", make_model(key="not this"))
    with acting(Actor("rest", name="noor")):
        auditing.note("delete", None, kind="group", name="this")
    assert names(page, query) == ["this"]


def test_a_filter_that_matches_nothing_says_so(page: Client) -> None:
    assert "No change matches" in page.get("/history/?who=nobody").content.decode()


def test_what_was_noted_is_text_never_markup(page: Client) -> None:
    evil = "<script>alert(1)</script>"
    auditing.note("edit", None, kind="model", name=evil, summary=evil, changes={evil: (evil, evil)})
    assert "<script>alert" not in page.get("/history/").content.decode()


def test_the_page_takes_the_same_queries_however_many_events(
    page: Client, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    model = make_model()
    for _ in range(60):
        auditing.note("edit", model)
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        body = page.get("/history/").content.decode()
    assert "50 shown of 60" in body
