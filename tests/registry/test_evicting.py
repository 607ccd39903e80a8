"""Memory policies carried out: against a server, with its state log and messages, and only where nothing is in use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry import draining, evicting, memory_policies
from registry.models import Delivery, GatewayProcess, Instance, LanguageModel, Registry, Server, StateChange, Webhook
from registry.models.instance import LoadedBy
from registry.tasks import evict
from tests.builders import make_job, make_model, make_server
from tests.scripted_http import answer
from tests.scripted_lmstudio import UNLOAD, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


@pytest.fixture
def shelf(studio: ScriptedLMStudio) -> Server:
    return make_server(name="shelf", base_url=studio.url, reachable=True)


def loaded(studio: ScriptedLMStudio, shelf: Server, key: str = "qwen", minutes: float = 60, **fields: Any) -> Instance:
    """A copy that LMStrix loaded that many minutes ago."""
    studio.put(key, 8192)
    of = make_model(key=key, server=shelf, state="loaded", pinned=fields.pop("pinned", False))
    copy = Instance.objects.create(server=shelf, model=of, instance_id=key, **({"loaded_by": LoadedBy.US} | fields))
    Instance.objects.filter(pk=copy.pk).update(first_seen=timezone.now() - timedelta(minutes=minutes))
    return Instance.objects.get(pk=copy.pk)


def switch_on(**fields: Any) -> None:
    memory_policies.save_policy(None, **({"enabled": True, "memory_threshold_percent": None} | fields))


def test_until_a_policy_is_switched_on_nothing_is_unloaded(studio: ScriptedLMStudio, shelf: Server) -> None:
    loaded(studio, shelf)
    evict()
    assert studio.instances() == ["qwen"]
    assert [one.reason for one in evicting.would(shelf)] == ["idle for 60 min; the policy allows 30 min"]


def test_an_eviction_stands_in_the_state_log_with_its_reason(studio: ScriptedLMStudio, shelf: Server) -> None:
    loaded(studio, shelf)
    switch_on()
    evict()
    assert studio.instances() == []
    last = StateChange.objects.first()
    assert last is not None
    assert (last.new, last.cause, last.reason) == ("unloaded", "policy", "idle for 60 min; the policy allows 30 min")
    assert LanguageModel.objects.get(key="qwen").state == "unloaded"


def test_webhooks_are_told_of_it(studio: ScriptedLMStudio, shelf: Server) -> None:
    Webhook.objects.create(name="ops", url="http://127.0.0.1:9/", events=["model.evicted"])
    loaded(studio, shelf)
    switch_on()
    evicting.run(shelf)
    assert "idle for 60 min" in str(Delivery.objects.get(event="model.evicted").body)


@pytest.mark.parametrize("kept", [{"pinned": True}, {"loaded_by": LoadedBy.OTHERS}, {"minutes": 5}])
def test_pinned_ones_those_of_others_and_fresh_ones_stay(
    studio: ScriptedLMStudio, shelf: Server, kept: dict[str, Any]
) -> None:
    loaded(studio, shelf, **kept)
    switch_on()
    evict()
    assert studio.calls(UNLOAD) == []


def test_a_model_pinned_in_another_registry_stays_too(studio: ScriptedLMStudio, shelf: Server) -> None:
    copy = loaded(studio, shelf)
    second = make_model(key="qwen", server=shelf, registry=Registry.objects.create(name="second"), pinned=True)
    Instance.objects.create(server=shelf, model=second, instance_id=copy.instance_id)
    switch_on()
    assert evicting.run(shelf) == []


def test_what_carries_a_request_is_not_even_planned(studio: ScriptedLMStudio, shelf: Server) -> None:
    copy = loaded(studio, shelf)
    busy(copy, requests=1)
    switch_on()
    assert evicting.would(shelf) == []


def busy(copy: Instance, *, requests: int = 0, used: Any = None) -> None:
    key, now = draining.key_of(copy.server_id, copy.instance_id), timezone.now()
    GatewayProcess.objects.create(
        name="elsewhere:7:0", seen=now, knows=now + timedelta(hours=1), in_flight={key: requests},
        last_used={key: used.isoformat()} if used else {},
    )  # fmt: skip


def test_what_a_process_used_a_moment_ago_is_not_idle(studio: ScriptedLMStudio, shelf: Server) -> None:
    busy(loaded(studio, shelf), used=timezone.now() - timedelta(minutes=29))
    switch_on()
    assert evicting.run(shelf) == []
    assert studio.instances() == ["qwen"]


def test_a_request_that_comes_after_the_plan_keeps_it(
    studio: ScriptedLMStudio, shelf: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = loaded(studio, shelf)
    switch_on()
    [planned] = evicting.would(shelf)
    monkeypatch.setattr(evicting, "would", lambda *_: [planned])
    busy(copy, used=timezone.now())
    assert evicting.run(shelf) == []
    assert Instance.objects.get(pk=copy.pk).draining is None
    assert studio.instances() == ["qwen"]


def test_a_policy_switched_off_after_the_plan_unloads_nothing(
    studio: ScriptedLMStudio, shelf: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(studio, shelf)
    switch_on()
    real = draining.drained

    def drained(*args: Any, **options: Any) -> bool:
        switch_on(enabled=False)
        return real(*args, **options)

    monkeypatch.setattr(draining, "drained", drained)
    assert evicting.run(shelf) == []
    assert studio.instances() == ["qwen"]


def test_while_an_experiment_has_the_server_nothing_is_unloaded(studio: ScriptedLMStudio, shelf: Server) -> None:
    loaded(studio, shelf)
    switch_on()
    assert shelf.take_for(make_job())
    shelf.refresh_from_db()
    assert evicting.run_all() == []


def refused(studio: ScriptedLMStudio, *then: Any) -> None:
    studio.script(UNLOAD, answer({"error": {"type": "internal_error", "message": "busy"}}, 500), *then)


def test_what_a_server_refuses_stays_and_the_next_one_goes_all_the_same(
    studio: ScriptedLMStudio, shelf: Server
) -> None:
    copy = loaded(studio, shelf, minutes=90)
    loaded(studio, shelf, "gemma")
    refused(studio, answer({"instance_id": "gemma"}))
    switch_on()
    assert [one.instance.instance_id for one in evicting.run(shelf)] == ["gemma"]
    assert Instance.objects.get(pk=copy.pk).draining is None


def test_what_a_server_refused_is_tried_again_only_ten_minutes_later(studio: ScriptedLMStudio, shelf: Server) -> None:
    loaded(studio, shelf)
    refused(studio)
    switch_on()
    assert (evicting.run(shelf), evicting.run(shelf), len(studio.calls(UNLOAD))) == ([], [], 1)
    StateChange.objects.update(at=timezone.now() - timedelta(minutes=11))
    evicting.run(shelf)
    assert len(studio.calls(UNLOAD)) == 2


def test_a_server_with_a_policy_of_its_own_does_not_follow_the_default(studio: ScriptedLMStudio, shelf: Server) -> None:
    loaded(studio, shelf)
    switch_on()
    memory_policies.save_policy(shelf, enabled=False)
    assert evicting.run_all() == []
    memory_policies.drop_policy(shelf)
    assert len(evicting.run_all()) == 1


def test_what_was_left_draining_is_released_even_while_every_policy_is_off(
    studio: ScriptedLMStudio, shelf: Server
) -> None:
    copy = loaded(studio, shelf, draining=timezone.now() - timedelta(hours=1))
    evict()
    assert Instance.objects.get(pk=copy.pk).draining is None
