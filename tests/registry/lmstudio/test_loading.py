"""Loading and unloading, as sent and as answered."""

from __future__ import annotations

from typing import Any

import pytest

from registry.lmstudio.errors import BadReply, LoadFailed, ModelNotFound, Unsupported
from tests.registry.lmstudio.conftest import Ask
from tests.scripted_http import answer
from tests.scripted_lmstudio import LOAD, UNLOAD, ScriptedLMStudio


def test_only_the_options_given_are_sent(studio: ScriptedLMStudio, ask: Ask) -> None:
    ask(lambda client: client.load("qwen3-4b", 8192, flash_attention=False))
    [sent] = studio.calls(LOAD)
    assert sent.json == {
        "model": "qwen3-4b",
        "context_length": 8192,
        "flash_attention": False,
        "echo_load_config": True,
    }


def test_a_load_answers_what_was_loaded(studio: ScriptedLMStudio, ask: Ask) -> None:
    result = ask(lambda client: client.load("qwen3-4b", 8192))
    assert (result.instance_id, result.load_seconds, result.applied_context) == ("qwen3-4b", 0.01, 8192)


def test_loading_an_unknown_model_says_so(ask: Ask) -> None:
    with pytest.raises(ModelNotFound, match="nothere"):
        ask(lambda client: client.load("nothere"))


def test_an_unknown_option_is_not_a_failed_load(studio: ScriptedLMStudio, ask: Ask) -> None:
    error = {"type": "invalid_request", "message": "Unrecognized key(s) in object: 'ttl'", "code": "unrecognized_keys"}
    studio.script(LOAD, answer({"error": error}, 400))
    with pytest.raises(Unsupported, match="ttl"):
        ask(lambda client: client.load("qwen3-4b"))


def test_a_500_without_a_report_is_a_failed_load(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LOAD, answer("<h1>oops</h1>", 500))
    with pytest.raises(LoadFailed) as caught:
        ask(lambda client: client.load("qwen3-4b"))
    assert "oops" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [{}, [], {"instance_id": 5}, {"instance_id": "a", "status": "queued"}, {"instance_id": "a", "load_config": 1}],
)
def test_a_load_answered_with_another_shape_is_a_bad_reply(studio: ScriptedLMStudio, ask: Ask, body: Any) -> None:
    studio.script(LOAD, answer(body))
    with pytest.raises(BadReply):
        ask(lambda client: client.load("qwen3-4b"))


def test_unloading_ends_the_instance(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.put("qwen3-4b", 4096)
    ask(lambda client: client.unload("qwen3-4b"))
    assert studio.instances() == []


def test_unloading_what_is_gone_says_so(ask: Ask) -> None:
    with pytest.raises(ModelNotFound):
        ask(lambda client: client.unload("qwen3-4b:7"))


def test_an_unload_that_confirms_another_instance_is_a_bad_reply(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(UNLOAD, answer({"instance_id": "other"}))
    with pytest.raises(BadReply):
        ask(lambda client: client.unload("qwen3-4b"))
