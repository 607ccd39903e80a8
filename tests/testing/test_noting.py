"""What context tests load and unload is in the log of states and in the ledger, as theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import timezone

from registry import loading, polling
from registry.models import GatewayProcess, Instance, LanguageModel, Server, StateChange
from registry.models.instance import LoadedBy
from registry.models.language_model import State
from registry.models.state_change import Cause
from testing import setting_aside
from tests.scripted_http import answer
from tests.scripted_lmstudio import LOAD, ScriptedLMStudio, model
from tests.testing.test_context_testing import remembers, run_test, scanned

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    shelf = [model("qwen", max_context_length=4096), model("gemma")]
    with ScriptedLMStudio(shelf, says=remembers) as server:
        yield server


def log(key: str) -> list[tuple[str, str]]:
    return list(StateChange.objects.filter(model_key=key).order_by("pk").values_list("new", "cause"))


def test_each_load_of_a_test_is_in_the_log_as_an_experiment(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    run_test(found)
    loads = len(studio.calls(LOAD))
    rounds = ["loading", "loaded", "unloading", "unloaded"] * loads
    assert log("qwen") == [(state, Cause.EXPERIMENT) for state in rounds]
    assert (LanguageModel.objects.get(key="qwen").state, Instance.objects.count()) == (State.UNLOADED, 0)
    polling.poll(Server.objects.get())
    assert len(log("qwen")) == len(rounds)


def test_a_size_that_is_refused_is_no_error_of_the_model(studio: ScriptedLMStudio) -> None:
    studio.script(LOAD, answer({"error": {"type": "model_load_failed", "message": "no"}}, 500))
    run_test(scanned(studio))
    assert {state for state, _ in log("qwen")} == {"loading", "unloaded"}
    assert "no" in StateChange.objects.filter(new="unloaded").latest("pk").reason


def test_what_we_loaded_is_ours_again_after_a_test_beside_it(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    loading.load(LanguageModel.objects.select_related("server").get(key="gemma"), context=8192)
    studio.put("qwen", 4096)  # by somebody else
    run_test(found)
    copies = Instance.objects.values_list("instance_id", "context_length", "loaded_by", "asked")
    assert set(copies.values_list("instance_id", "context_length", "loaded_by")) == {
        ("gemma", 8192, LoadedBy.US), ("qwen", 4096, LoadedBy.OTHERS),
    }  # fmt: skip
    assert copies.get(instance_id="gemma")[3] == {"context_length": 8192}
    assert log("gemma")[-4:] == [(state, "experiment") for state in ("unloading", "unloaded", "loading", "loaded")]


def test_a_test_waits_for_requests_in_flight(studio: ScriptedLMStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting_aside, "IN_FLIGHT_SECONDS", 0.2)
    monkeypatch.setattr(setting_aside, "LOOK_SECONDS", 0.1)
    studio.put("gemma", 4096)
    found = scanned(studio)
    busy = {f"{found.server_id}:gemma": 1}
    GatewayProcess.objects.create(name="elsewhere:1:1", seen=timezone.now(), knows=timezone.now(), in_flight=busy)
    test = run_test(found)
    assert test.job is not None
    assert "had requests in flight" in test.job.error
    assert studio.instances() == ["gemma"]


def test_what_is_put_back_says_so_in_the_log(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    studio.put("gemma", 8192)
    run_test(found)
    back = StateChange.objects.filter(model_key="gemma", cause=Cause.EXPERIMENT).order_by("-pk")[:2]
    assert [(change.new, change.reason) for change in back] == [
        ("loaded", "put back after the test"), ("loading", "put back after the test"),
    ]  # fmt: skip
