"""The Memory page: bars by server, policies beside what they would do now; and memory on a server's page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry import memory_policies, states
from registry.models import Instance, MemoryPolicy, Registry, Role, Server
from registry.models.language_model import State
from registry.models.state_change import Cause
from tests.builders import make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

GB = 10**9
FORM = {"inactive_timeout_minutes": "15", "memory_threshold_percent": "", "auto_unload_inactive": "on"}


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def shelf() -> Server:
    return make_server(name="shelf", base_url="http://192.0.2.7:1234", memory_limit_bytes=24 * GB)


def loaded(server: Server, key: str, minutes: int = 60, **fields: Any) -> Instance:
    model = make_model(server=server, key=key, name=key, size_bytes=6 * GB, state="loaded", **fields)
    copy = Instance.objects.create(server=server, model=model, instance_id=key, loaded_by="us", context_length=4096)
    Instance.objects.filter(pk=copy.pk).update(first_seen=timezone.now() - timedelta(minutes=minutes))
    return copy


def text(page: Client, path: str = "/settings/memory/") -> str:
    answer = page.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_before_it_is_switched_on_the_page_says_what_it_would_do(page: Client, shelf: Server) -> None:
    loaded(shelf, "qwen")
    shown = text(page)
    assert "No model is unloaded by itself" in shown
    assert "It would unload one now" in shown
    assert "Idle for 60 min; the policy allows 30 min." in shown


def test_the_switch_for_instances_of_others_says_what_cannot_be_seen(page: Client) -> None:
    assert "Use by clients that go straight to LM Studio cannot be seen" in text(page)


def test_each_server_has_its_bar_with_what_is_loaded(page: Client, shelf: Server) -> None:
    loaded(shelf, "qwen", pinned=True)
    shown = text(page)
    assert 'aria-label="25% of the memory is taken"' in shown
    assert "idle 1 h, pinned" in shown
    assert "estimated" in shown


def test_a_server_whose_memory_is_unknown_says_that_the_threshold_does_nothing(page: Client) -> None:
    loaded(make_server(name="far", base_url="http://192.0.2.8:1234"), "qwen")
    assert "the threshold of 80 % does nothing there" in text(page)


def test_the_default_is_saved_and_the_heading_follows(page: Client, shelf: Server) -> None:
    answer = page.post("/settings/memory/", FORM | {"enabled": "on"}, follow=True).content.decode()
    assert "Saved: the default policy unloads what is idle for 15 min." in answer
    assert "Models are unloaded by policy on the server" in answer
    assert MemoryPolicy.objects.get().memory_threshold_percent is None


def test_a_wrong_value_stands_at_its_field_and_nothing_is_saved(page: Client) -> None:
    answer = page.post("/settings/memory/", FORM | {"inactive_timeout_minutes": "0"})
    assert "greater than or equal to 1" in answer.content.decode()
    assert not MemoryPolicy.objects.exists()


def test_a_change_in_the_form_is_previewed_without_saving(page: Client, shelf: Server) -> None:
    loaded(shelf, "qwen", minutes=20)
    query = "/settings/memory/preview/?inactive_timeout_minutes={}&auto_unload_inactive=on"
    assert "nothing now" in text(page, query.format(30))
    assert "It would unload one now" in text(page, query.format(10))
    assert "Correct what is marked" in text(page, query.format("x"))
    assert not MemoryPolicy.objects.exists()


def test_a_server_gets_a_policy_of_its_own_and_follows_the_default_again(page: Client, shelf: Server) -> None:
    path = f"/settings/memory/{shelf.pk}/"
    assert "shelf follows the default policy" in text(page, path)
    page.post(path, FORM | {"enabled": "on", "max_loaded_models": "2"})
    assert memory_policies.policy_of(shelf).max_loaded_models == 2
    assert "has a memory policy of its own" in text(page, path)
    page.post(f"{path}default/")
    assert not MemoryPolicy.objects.filter(server=shelf).exists()


def test_only_admins_change_a_policy_and_others_read_it(client: Client, shelf: Server) -> None:
    client.force_login(make_user(role=Role.OPERATOR))
    assert "An admin can change it" in text(client)
    for path in ("", f"{shelf.pk}/", f"{shelf.pk}/default/"):
        assert client.post(f"/settings/memory/{path}", FORM).status_code == 403


def test_queries_do_not_grow_with_servers_and_copies(page: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            text(page)
        return len(queries)

    loaded(make_server(), "first")
    one = count()
    for number in range(8):
        loaded(make_server(), f"model{number}")
    assert count() <= one


def test_a_servers_page_shows_its_memory(page: Client, shelf: Server) -> None:
    loaded(shelf, "qwen")
    memory_policies.save_policy(None, enabled=True)
    shown = text(page, f"/servers/{shelf.pk}/")
    assert "One model in memory" in shown
    assert "goes with the next round: idle for 60 min" in shown


def test_the_overview_counts_copies_of_other_registries_as_other(page: Client, shelf: Server) -> None:
    loaded(shelf, "mine")
    loaded(shelf, "theirs", registry=Registry.objects.create(name="second"))
    shown = text(page, "/")
    assert 'aria-label="50% of the memory is taken"' in shown
    assert "<title>other: 12 GB" not in shown
    assert "<title>other: 6 GB" in shown


def test_the_overview_tells_of_an_eviction_with_its_reason(page: Client, shelf: Server) -> None:
    model = loaded(shelf, "qwen").model
    states.change(model, State.UNLOADED, cause=Cause.POLICY, reason="idle for 60 min; the policy allows 30 min")
    states.change(model, State.LOADED, cause=Cause.US)
    assert "unloaded by policy: idle for 60 min" in text(page, "/")


def test_it_says_why_it_would_unload_nothing(page: Client, shelf: Server) -> None:
    loaded(shelf, "qwen", minutes=0)
    loaded(shelf, "gemma", minutes=0)
    assert "It would unload nothing now." in text(page)  # half an hour is not over for either
    memory_policies.save_policy(None, max_loaded_models=1)
    assert "It would unload nothing now: qwen stays, used or loaded within the last minute." in text(page)
