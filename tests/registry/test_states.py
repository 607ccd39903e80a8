"""Changes of states: one row each, by whom and why, and what the log tells afterwards."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from registry import announcing, registries, states
from registry.models import InferenceRecord, LanguageModel, Server, StateChange
from registry.models.language_model import State
from registry.models.state_change import Cause
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.database, pytest.mark.django_db]

NOW = timezone.now()


@pytest.fixture
def model() -> LanguageModel:
    return make_model(key="qwen", added=NOW - timedelta(days=9))


def changed_at(model: LanguageModel, hours_ago: float, old: State, new: State, cause: Cause = Cause.SEEN) -> None:
    StateChange.objects.create(
        model=model, model_key=model.key, old=old, new=new, cause=cause, at=NOW - timedelta(hours=hours_ago)
    )


def told(spans: list[states.Span]) -> list[tuple[str, float | None, bool]]:
    """Each span with the hours it lasted; None while it lasts."""
    return [(span.state, span.ended and round(span.seconds(NOW) / 3600, 2), span.known) for span in spans]  # type: ignore[misc]


def test_a_change_is_a_row_and_the_model_shows_it(model: LanguageModel) -> None:
    row = states.change(model, State.LOADED, cause=Cause.US, reason="asked for", context=8192)
    assert row is not None
    model.refresh_from_db()
    assert (row.old, row.new, row.cause, row.reason, row.context_length) == (
        "unloaded", "loaded", "us", "asked for", 8192,
    )  # fmt: skip
    assert (row.server_id, row.model_key, model.state, model.state_since) == (model.server_id, "qwen", "loaded", row.at)


def test_no_row_for_the_state_it_is_in(model: LanguageModel) -> None:
    states.change(model, State.LOADED, cause=Cause.US)
    assert states.change(model, State.LOADED, cause=Cause.SEEN) is None
    assert StateChange.objects.count() == 1


def test_an_error_says_why_until_the_next_change(model: LanguageModel) -> None:
    states.change(model, State.ERROR, cause=Cause.US, reason="out of memory")
    assert LanguageModel.objects.get().state_error == model.state_error == "out of memory"
    states.change(model, State.LOADING, cause=Cause.US, reason="again")
    assert LanguageModel.objects.get().state_error == model.state_error == ""


def test_rows_of_the_same_model_in_other_registries_change_too(model: LanguageModel) -> None:
    twin = make_model(server=model.server, key="qwen", registry=registries.create_registry("second"))
    other = make_model(key="qwen")
    states.change(model, State.LOADED, cause=Cause.US)
    assert list(StateChange.objects.order_by("pk").values_list("model", flat=True)) == [
        model.pk, twin.pk,
    ]  # fmt: skip
    assert LanguageModel.objects.get(pk=other.pk).state == State.UNLOADED


def test_what_changed_after_the_server_was_asked_stays(model: LanguageModel) -> None:
    assert model.server is not None
    asked = model.server.clock() - timedelta(seconds=1)
    states.change(model, State.LOADED, cause=Cause.US)
    assert states.changes({model: State.UNLOADED}, cause=Cause.SEEN, asked=asked) == []


def test_many_changes_cost_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    server = make_server()
    many = [make_model(server=server) for _ in range(60)]
    with django_assert_max_num_queries(8):
        rows = states.changes(dict.fromkeys(many, State.LOADED), cause=Cause.SEEN)
    assert len(rows) == 60
    assert all(model.state == State.LOADED for model in many)


def test_a_change_is_announced_after_the_commit(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(announcing, "_publish", sent.append)
    with django_capture_on_commit_callbacks(execute=True):
        states.change(model, State.LOADING, cause=Cause.US)
        assert sent == []
    assert sent == [f'{{"kind": "state", "id": {model.pk}, "state": "loading"}}']


def test_a_timeline_has_each_stretch_from_the_start_asked_for(model: LanguageModel) -> None:
    changed_at(model, 30, State.UNLOADED, State.LOADED)
    changed_at(model, 20, State.LOADED, State.ACTIVE)
    changed_at(model, 19, State.ACTIVE, State.LOADED)
    changed_at(model, 2, State.LOADED, State.UNLOADED)
    assert told(states.timeline(model, NOW - timedelta(hours=24))) == [
        ("loaded", 4, True), ("active", 1, True), ("loaded", 17, True), ("unloaded", None, True),
    ]  # fmt: skip


def test_a_timeline_says_nothing_of_the_time_before_a_model_was_known() -> None:
    model = make_model(added=NOW - timedelta(hours=3))
    changed_at(model, 1, State.UNLOADED, State.LOADED)
    model.state = State.LOADED
    assert told(states.timeline(model, NOW - timedelta(hours=24))) == [("unloaded", 2, True), ("loaded", None, True)]


def test_what_a_model_is_on_a_silent_server_is_not_known(model: LanguageModel) -> None:
    Server.objects.update(reachable=False, last_seen=NOW - timedelta(hours=2))
    model = LanguageModel.objects.select_related("server").get()
    assert told(states.timeline(model, NOW - timedelta(hours=24))) == [
        ("unloaded", 22, True),
        ("unloaded", None, False),
    ]


@pytest.mark.parametrize(
    ("state", "hours"), [(State.UNLOADED, None), (State.LOADED, 5), (State.ACTIVE, 5)]
)  # fmt: skip
def test_loaded_since_is_the_last_load(model: LanguageModel, state: State, hours: int | None) -> None:
    changed_at(model, 9, State.LOADING, State.LOADED)
    changed_at(model, 8, State.LOADED, State.UNLOADED)
    changed_at(model, 5, State.LOADING, State.LOADED)
    changed_at(model, 4, State.LOADED, State.ACTIVE)
    model.state = state
    assert states.loaded_since(model) == (NOW - timedelta(hours=hours) if hours else None)


@time_machine.travel(NOW, tick=False)
def test_a_loaded_model_is_idle_since_its_last_request(model: LanguageModel) -> None:
    assert states.idle_seconds(model) is None
    changed_at(model, 5, State.LOADING, State.LOADED)
    model.state = State.LOADED
    assert states.idle_seconds(model) == pytest.approx(5 * 3600, abs=60)
    InferenceRecord.objects.create(
        uuid="6a1f0f3c-0000-4000-8000-000000000001", model=model, model_key="qwen", started=NOW - timedelta(hours=1)
    )
    assert states.idle_seconds(model) == pytest.approx(3600, abs=60)
    model.state = State.ACTIVE
    assert states.idle_seconds(model) == 0


def test_no_other_module_writes_a_state() -> None:
    root = Path(states.__file__).parent.parent
    writes = re.compile(r"\.state\s*=[^=]|update\([^)]*\bstate=|\"state\", \"state_since\"")
    files = [file for app in ("registry", "testing", "lmstrix_site") for file in (root / app).rglob("*.py")]
    found = {file.stem for file in files if "migrations" not in file.parts and writes.search(file.read_text())}
    assert found == {"states", "seeding"}  # seeding: of models that are new


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_changes_the_state() -> None:
    qwen = make_model(key="qwen")

    def change(_: int) -> bool:
        try:
            return states.change(qwen, State.LOADED, cause=Cause.US) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(change, range(16))) == 1
    assert StateChange.objects.count() == 1
