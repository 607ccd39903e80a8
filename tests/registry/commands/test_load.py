"""`lmstrix load` and `lmstrix unload`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry import grouping
from registry.models import Job, LanguageModel
from tests.builders import make_model, make_server
from tests.scripted_lmstudio import LOAD, ScriptedLMStudio, model

# the command works in threads of its own, so what a test writes has to be committed
pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


@pytest.fixture
def qwen(studio: ScriptedLMStudio) -> LanguageModel:
    server = make_server(name="shelf", base_url=studio.url)
    make_model(key="gemma", server=server)
    return make_model(key="qwen", server=server)


def told(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, stderr=output)
    return output.getvalue()


def fails(*arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as stopped:
        told(*arguments)
    return stopped.value.returncode, str(stopped.value)


def test_a_model_is_loaded_with_what_was_asked(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    options = ("--context", "8192", "--flash-attention", "on", "--kv-offload", "on", "--batch", "512")
    assert "qwen is loaded on shelf with 8,192 tokens, in 0." in told("load", "qwen", *options)
    body = studio.calls(LOAD)[0].json
    assert (body["context_length"], body["flash_attention"], body["offload_kv_cache_to_gpu"]) == (8192, True, True)
    assert "it was loaded already" in told("load", "qwen")
    assert Job.objects.filter(runner="command", door="command").count() == 2


def test_a_drift_is_a_warning(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.behaviour.applied = lambda context: 6553
    said = told("load", "qwen", "--context", "65536")
    assert "with 6,553 tokens" in said
    assert "Warning: qwen: asked for 65,536 tokens, the server applied 6,553 without a word." in said


def test_json_tells_what_is_in_force(qwen: LanguageModel) -> None:
    loaded: dict[str, Any] = json.loads(told("load", "qwen", "--context", "4096", "--json"))
    assert (loaded["model"], loaded["status"], loaded["context_length"]) == ("qwen", "succeeded", 4096)
    assert json.loads(told("unload", "--all", "--json")) == [
        {"of": "shelf", "status": "succeeded", "error": None, "unloaded": 1}
    ]


def test_a_group_is_loaded_and_unloaded(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    grouping.create_group(qwen.registry, "chat", LanguageModel.objects.all())
    told("load", "--group", "chat")
    assert sorted(studio.instances()) == ["gemma", "qwen"]
    assert "gemma: 1 copy unloaded." in told("unload", "--group", "chat")
    assert studio.instances() == []


def test_unload_takes_one_or_all(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    for key in ("qwen", "gemma"):
        studio.put(key, 2048)
    assert told("unload", "qwen").endswith("qwen: 1 copy unloaded.\n")
    assert studio.instances() == ["gemma"]
    assert told("unload", "--all").endswith("shelf: 1 copy unloaded.\n")
    assert told("unload", "--all").endswith("shelf: nothing was loaded.\n")


def test_a_refused_load_is_exit_1(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.behaviour.limit = 1024
    code, said = fails("load", "qwen", "--context", "8192")
    assert (code, "insufficient system resources" in said) == (1, True)


@pytest.mark.parametrize("command", [("load", "lost"), ("unload", "lost"), ("unload", "--all")])
def test_a_server_that_does_not_answer_is_exit_3(command: tuple[str, ...]) -> None:
    make_model(key="lost", server=make_server(name="dead"))
    code, said = fails(*command)
    assert (code, "cannot be reached" in said) == (3, True)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("load",), "Name the models to load"),
        (("load", "none"), "There is no model named none"),
        (("load", "qwen", "--context", "0"), "The context is 0"),
        (("load", "--group", "none"), "There is no group named none"),
        (("unload",), "Name the models to unload"),
        (("unload", "qwen", "--all"), "Name the models to unload"),
        (("unload", "--all", "--server", "none"), "There is no server named none"),
    ],
)
def test_wrong_usage_is_exit_2(qwen: LanguageModel, command: tuple[str, ...], said: str) -> None:
    code, text = fails(*command)
    assert (code, said in text) == (2, True)


def test_a_load_can_pin_and_an_unload_let_go(qwen: LanguageModel) -> None:
    for command, pinned in ((("load", "qwen", "--pin"), True), (("unload", "qwen", "--unpin"), False)):
        told(*command)
        qwen.refresh_from_db()
        assert qwen.pinned is pinned
