"""The state manager of scripts: what it tells, loads and unloads, and who listens to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from queue import Empty, Queue
from typing import Any

import pytest
from lmstrix.core.models import ModelStateManager

from registry import registries, states
from registry.models import LanguageModel
from registry.models.language_model import State
from registry.models.state_change import Cause
from registry.scripting import states as listening
from tests.builders import make_model, make_server
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

Heard = tuple[str, str, str]


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelStateManager]:
    monkeypatch.setattr(listening, "LOOK_SECONDS", 0.02)
    manager = ModelStateManager()
    yield manager
    manager.close()


@pytest.fixture
def studios() -> Iterator[tuple[ScriptedLMStudio, ScriptedLMStudio]]:
    with ScriptedLMStudio([model("qwen")]) as first, ScriptedLMStudio([model("qwen")]) as second:
        yield first, second


def on(studio: ScriptedLMStudio, name: str, **fields: Any) -> LanguageModel:
    return make_model(server=make_server(name=name, base_url=studio.url), key="qwen", **fields)


def test_a_listener_hears_each_change_from_now_on_in_order(manager: ModelStateManager) -> None:
    qwen = make_model(key="qwen")
    states.change(qwen, State.ERROR, cause=Cause.US)
    heard: Queue[Heard] = Queue()
    manager.add_state_listener(lambda *change: heard.put(change))
    for new in (State.LOADING, State.LOADED, State.ACTIVE):
        states.change(qwen, new, cause=Cause.US)
    assert [heard.get(timeout=5) for _ in range(3)] == [
        ("qwen", "error", "loading"), ("qwen", "loading", "loaded"), ("qwen", "loaded", "active"),
    ]  # fmt: skip


def test_a_model_is_named_by_its_id_and_only_of_the_own_registry(manager: ModelStateManager) -> None:
    first = make_model(key="qwen", server=make_server(name="shelf"))
    make_model(key="qwen")
    make_model(key="qwen", server=first.server, registry=registries.create_registry("second"))
    heard: Queue[Heard] = Queue()
    manager.add_state_listener(lambda *change: heard.put(change))
    states.change(first, State.LOADED, cause=Cause.US)
    assert heard.get(timeout=5) == ("shelf/qwen", "unloaded", "loaded")
    with pytest.raises(Empty):
        heard.get(timeout=0.1)


def test_a_listener_that_fails_is_logged_and_hears_the_next(
    manager: ModelStateManager, caplog: pytest.LogCaptureFixture
) -> None:
    qwen, heard = make_model(key="qwen"), Queue[str]()

    def listener(model_id: str, old: str, new: str) -> None:
        heard.put(new)
        if new == State.LOADING:
            raise RuntimeError("broken")

    manager.add_state_listener(listener)
    with caplog.at_level(logging.ERROR):
        states.change(qwen, State.LOADING, cause=Cause.US)
        states.change(qwen, State.LOADED, cause=Cause.US)
        assert [heard.get(timeout=5), heard.get(timeout=5)] == ["loading", "loaded"]
    assert "a listener failed on qwen: unloaded -> loading" in caplog.text


def test_a_closed_listener_hears_nothing_more(manager: ModelStateManager) -> None:
    heard: Queue[Heard] = Queue()
    manager.add_state_listener(lambda *change: heard.put(change)).close()
    states.change(make_model(key="qwen"), State.LOADED, cause=Cause.US)
    with pytest.raises(Empty):
        heard.get(timeout=0.1)


def test_a_state_is_looked_up_where_no_worker_looks(
    manager: ModelStateManager, studios: tuple[ScriptedLMStudio, ScriptedLMStudio]
) -> None:
    on(studios[0], "shelf")
    studios[0].put("qwen", 4096)
    assert (manager.get_model_state("qwen"), manager.get_loaded_models()) == ("loaded", ["qwen"])


def test_of_several_servers_the_better_one_loads(
    manager: ModelStateManager, studios: tuple[ScriptedLMStudio, ScriptedLMStudio]
) -> None:
    on(studios[0], "slow", tokens_per_second=5)
    on(studios[1], "quick", tokens_per_second=50)
    loaded = manager.load_model("qwen", context=4096)
    assert (loaded["server"], loaded["context_length"]) == ("quick", 4096)
    assert manager.load_model("qwen", server="slow")["server"] == "slow"
    assert sorted(manager.get_loaded_models()) == ["quick/qwen", "slow/qwen"]
    assert (manager.unload_model("qwen"), studios[0].instances(), studios[1].instances()) == (2, [], [])


def test_everything_of_one_server_is_unloaded(
    manager: ModelStateManager, studios: tuple[ScriptedLMStudio, ScriptedLMStudio]
) -> None:
    for studio, name in zip(studios, ("a", "b"), strict=True):
        on(studio, name)
        studio.put("qwen", 4096)
    assert manager.unload_all_models(server="a") == 1
    assert (studios[0].instances(), studios[1].instances()) == ([], ["qwen"])


def test_unknown_names_are_told(manager: ModelStateManager) -> None:
    make_server(name="shelf")
    with pytest.raises(ValueError, match="There is no server named x; there is shelf"):
        manager.get_memory_usage(server="x")
    with pytest.raises(ValueError, match="There is no model named x"):
        manager.get_model_state("x")


def test_memory_is_told_with_its_source(manager: ModelStateManager) -> None:
    server = make_server(name="shelf", base_url="http://192.0.2.1:1234", memory_limit_bytes=24 * 2**30, enabled=False)
    memory = manager.get_memory_usage(server=server.name)
    assert (memory["total_mb"], memory["used_mb"], memory["source"]) == (24 * 1024, 0, "estimated")
    assert f"{manager.get_memory_usage()['total_mb']:,}" == "unknown"
