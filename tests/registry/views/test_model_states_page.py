"""The timeline on a model's page, and the page with the whole log of its states."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from registry import states
from registry.models import LanguageModel, Role, Server, StateChange
from registry.models.language_model import State
from registry.models.state_change import Cause
from registry.templatetags.timelines import state_bar
from tests.builders import make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def model() -> LanguageModel:
    return make_model(key="qwen", server=make_server(name="shelf"), added=timezone.now() - timedelta(days=30))


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user(role=Role.VIEWER))
    return client


def page(client: Client, model: LanguageModel, query: str = "") -> str:
    answer = client.get(f"/models/{model.pk}/states/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_log_names_who_and_why_newest_first(viewer: Client, model: LanguageModel) -> None:
    states.change(model, State.LOADED, cause=Cause.GATEWAY, reason="a request asked for it", context=8192)
    states.change(model, State.UNLOADED, cause=Cause.POLICY, reason="idle for 31 minutes")
    shown = page(viewer, model)
    assert shown.index("idle for 31 minutes") < shown.index("a request asked for it")
    assert "the memory policy" in shown
    assert "8,192" in shown


def test_the_log_is_narrowed_by_cause(viewer: Client, model: LanguageModel) -> None:
    states.change(model, State.LOADED, cause=Cause.SEEN, reason="found there")
    states.change(model, State.UNLOADED, cause=Cause.US, reason="asked for")
    shown = page(viewer, model, "?cause=us")
    assert "asked for" in shown
    assert "found there" not in shown
    assert "No change of this kind" in page(viewer, model, "?cause=gateway")


def test_a_long_log_is_read_page_by_page(viewer: Client, model: LanguageModel) -> None:
    StateChange.objects.bulk_create(
        StateChange(model=model, model_key="qwen", old="loaded", new="active", cause="gateway", reason=f"nr {n}.")
        for n in range(120)
    )
    shown = page(viewer, model)
    assert ("nr 119." in shown, "nr 69." in shown, "120" in shown) == (True, False, True)


def test_the_page_of_a_model_has_the_timeline_and_the_latest_changes(viewer: Client, model: LanguageModel) -> None:
    states.change(model, State.LOADED, cause=Cause.SEEN, reason="found in the server's memory")
    shown = viewer.get(f"/models/{model.pk}/").content.decode()
    assert "In memory for" in shown
    assert shown.count('class="timeline"') == 2
    assert "found in the server&#x27;s memory" in shown


@pytest.mark.parametrize(
    ("state", "reachable", "headline"),
    [
        (State.LOADING, True, "It is loading now"), (State.ERROR, True, "Its last load failed"),
        (State.UNLOADED, True, "Not in memory"), (State.ACTIVE, True, "and answering now"),
        (State.LOADED, False, "Nobody knows: shelf does not answer"),
    ],
)  # fmt: skip
def test_the_headline_says_what_is_known(
    viewer: Client, model: LanguageModel, state: State, reachable: bool, headline: str
) -> None:
    Server.objects.update(reachable=reachable, last_seen=timezone.now())
    states.change(model, state, cause=Cause.US)
    assert headline in page(viewer, model)


def test_states_cost_the_same_however_long_the_log_is(
    viewer: Client, model: LanguageModel, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [StateChange(model=model, model_key="qwen", old="loaded", new="active", cause="gateway") for _ in range(300)]
    StateChange.objects.bulk_create(rows)
    with django_assert_max_num_queries(16):
        page(viewer, model)


def test_a_bar_is_bounded_however_often_a_model_changed() -> None:
    now = timezone.now()
    since = now - timedelta(days=1)
    moments = [since + timedelta(seconds=8 * number) for number in range(10_000)]
    spans = [
        states.Span(State.ACTIVE if number % 2 else State.LOADED, began, ended)
        for number, (began, ended) in enumerate(pairwise(moments))
    ]
    drawn = state_bar(spans, since, now)
    assert drawn.count("<rect") <= 502
    assert "active 11 h" in drawn


def test_what_nobody_saw_is_drawn_as_unseen() -> None:
    now = timezone.now()
    since = now - timedelta(hours=2)
    drawn = state_bar([states.Span(State.LOADED, since, None, known=False)], since, now)
    assert "i-unseen" in drawn
    assert "not known 2 h" in drawn


@pytest.mark.parametrize(
    "path", ["/", "/models/", "/servers/", "/servers/{server}/", "/models/{model}/", "/models/{model}/states/"]
)
def test_every_page_that_shows_a_state_hears_of_its_changes(viewer: Client, model: LanguageModel, path: str) -> None:
    shown = viewer.get(path.format(server=model.server_id, model=model.pk)).content.decode()
    assert "lx:state from:body" in shown
