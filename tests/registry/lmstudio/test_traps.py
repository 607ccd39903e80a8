"""LM Studio's known traps, by their numbers in the notes on its API: each is met here."""

from __future__ import annotations

from typing import Any

import pytest

from registry.lmstudio import LMStudio, normalize_base_url
from registry.lmstudio.errors import (
    BadReply,
    ContextTooLong,
    LMStudioError,
    LoadFailed,
    OutOfMemory,
    Unauthorized,
    Unreachable,
    Unsupported,
)
from tests.registry.lmstudio.conftest import Ask
from tests.scripted_http import RESET, answer, event, head, stream
from tests.scripted_lmstudio import CHAT, LIST, LOAD, OLD_LIST, UNLOAD, ScriptedLMStudio, model

UNEXPECTED = {"error": "Unexpected endpoint or method. (GET /api/v1/models)"}


def chat(client: LMStudio, text: str = "hello", **options: Any) -> Any:
    return client.chat("qwen3-4b", text, max_output_tokens=16, **options)


def test_trap_1_an_unknown_path_answered_with_200_is_not_taken_for_a_list(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LIST, UNEXPECTED)
    studio.script(OLD_LIST, UNEXPECTED)
    with pytest.raises(Unsupported, match="Unexpected endpoint"):
        ask(lambda client: client.list_models())


@pytest.mark.parametrize(("line", "call"), [(LOAD, "load"), (UNLOAD, "unload")])
def test_trap_1_an_unknown_path_answered_with_200_is_not_taken_for_success(
    studio: ScriptedLMStudio, ask: Ask, line: str, call: Any
) -> None:
    studio.script(line, UNEXPECTED)
    with pytest.raises(Unsupported):
        ask(lambda client: getattr(client, call)("qwen3-4b"))


def test_trap_1_a_pasted_openai_address_is_understood(studio: ScriptedLMStudio, ask: Ask) -> None:
    assert ask(lambda client: client.list_models(), url=studio.url + "/v1/").models
    assert normalize_base_url("http://box:1234/api/v1/") == "http://box:1234"


@pytest.mark.parametrize("error", [{"type": "internal_error", "message": "it broke"}, "it broke"])
def test_trap_2_both_error_shapes_are_read(studio: ScriptedLMStudio, ask: Ask, error: Any) -> None:
    studio.script(CHAT, answer({"error": error}, 500))
    with pytest.raises(LMStudioError, match="it broke"):
        ask(chat)


@pytest.mark.parametrize("error", [{"type": "never seen before"}, {"code": 7}, {"message": None}, ["x"], 5, {"a": {}}])
def test_trap_2_an_error_of_any_shape_is_an_error(studio: ScriptedLMStudio, ask: Ask, error: Any) -> None:
    studio.script(CHAT, answer({"error": error}))
    with pytest.raises(LMStudioError):
        ask(chat)


def test_trap_3_the_id_of_a_second_instance_comes_back(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.put("qwen3-4b", 4096)
    assert ask(lambda client: client.load("qwen3-4b", 4096)).instance_id == "qwen3-4b:2"


@pytest.mark.parametrize(("requested", "applied"), [(65_536, 6_553), (40_000, 40_192)])
def test_trap_4_the_applied_context_is_read_back(
    studio: ScriptedLMStudio, ask: Ask, requested: Any, applied: Any
) -> None:
    studio.behaviour.applied = lambda context: applied
    assert ask(lambda client: client.load("qwen3-4b", requested)).applied_context == applied
    assert ask(lambda client: client.list_models()).models[0].instances[0].context_length == applied


def test_trap_4_an_applied_context_that_is_not_told_is_unknown(studio: ScriptedLMStudio, ask: Ask) -> None:
    assert ask(lambda client: client.load("qwen3-4b", 8192, echo=False)).applied_context is None


def test_trap_5_the_gigabytes_of_a_guardrail_refusal_are_read(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.behaviour.limit, studio.behaviour.gb_at = 8192, lambda context: 12.5
    with pytest.raises(OutOfMemory, match=r"12\.50 GB") as caught:
        ask(lambda client: client.load("qwen3-4b", 9000))
    assert caught.value.needed_bytes == 12_500_000_000


def test_trap_5_a_generic_load_failure_does_not_blame_memory(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LOAD, answer({"error": {"type": "model_load_failed", "message": "Failed to load model."}}, 500))
    with pytest.raises(LoadFailed):
        ask(lambda client: client.load("qwen3-4b", 9000))


def test_trap_5_a_died_engine_is_a_failed_load(studio: ScriptedLMStudio, ask: Ask) -> None:
    message = "The model has crashed without additional information. (Exit code: 6)"
    studio.script(LOAD, answer({"error": {"type": "unknown", "message": message}}, 500))
    with pytest.raises(LoadFailed, match="Exit code: 6"):
        ask(lambda client: client.load("qwen3-4b", 9000))


def test_trap_5_a_dropped_connection_is_not_a_refusal(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LOAD, [RESET])
    with pytest.raises(Unreachable):
        ask(lambda client: client.load("qwen3-4b", 9000))


def test_trap_6_a_prompt_too_long_is_named(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.put("qwen3-4b", 100)
    with pytest.raises(ContextTooLong):
        ask(lambda client: chat(client, "x" * 1000))


def test_trap_6_a_prompt_too_long_under_status_200_is_named(studio: ScriptedLMStudio, ask: Ask) -> None:
    text = "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context"
    studio.script(CHAT, answer({"error": f"{text} length of only 4096 tokens, which is not enough."}))
    with pytest.raises(ContextTooLong):
        ask(chat)


def test_trap_6_an_empty_stream_with_usage_is_returned_as_it_is(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.behaviour.fill_limit = 10
    result = ask(lambda client: chat(client, "x" * 1000))
    assert (result.text, result.input_tokens) == ("", 258)


def test_trap_10_a_ping_checks_the_shape_of_the_list(studio: ScriptedLMStudio, ask: Ask) -> None:
    assert 0 < ask(lambda client: client.ping()) < 5
    studio.script(LIST, {"hello": "I am something else"})
    with pytest.raises(BadReply, match="models"):
        ask(lambda client: client.ping())


def test_trap_11_a_missing_token_is_named_and_v0_is_not_asked(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.behaviour.token = "secret"
    with pytest.raises(Unauthorized, match="wants a token and none is set"):
        ask(lambda client: client.list_models())
    assert not studio.calls(OLD_LIST)


def test_trap_11_a_wrong_token_is_named_and_not_repeated(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.behaviour.token = "secret"
    with pytest.raises(Unauthorized, match="refuses the token") as caught:
        ask(lambda client: client.list_models(), token="wrong-one")
    assert "wrong-one" not in str(caught.value)


def test_trap_11_an_error_body_about_the_key_counts_without_a_401(studio: ScriptedLMStudio, ask: Ask) -> None:
    error = {"type": "invalid_request", "code": "invalid_api_key", "message": "Malformed token"}
    studio.script(LIST, answer({"error": error}))
    with pytest.raises(Unauthorized):
        ask(lambda client: client.list_models(), token="x")


def test_trap_11_listing_may_pass_while_loading_is_refused(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LOAD, answer({"error": {"type": "forbidden", "message": "no permission"}}, 403))
    assert ask(lambda client: client.list_models(), token="x").models
    with pytest.raises(Unauthorized):
        ask(lambda client: client.load("qwen3-4b"), token="x")


def test_trap_12_reasoning_is_sent_only_when_asked_for(studio: ScriptedLMStudio, ask: Ask) -> None:
    ask(chat)
    ask(lambda client: chat(client, reasoning="off"))
    plain, off = studio.calls(CHAT)
    assert ("reasoning" in plain.json, off.json["reasoning"]) == (False, "off")


def test_trap_12_reasoning_without_a_message_is_an_empty_text(studio: ScriptedLMStudio, ask: Ask) -> None:
    result = {"output": [{"type": "reasoning", "content": "hm"}], "stats": {"reasoning_output_tokens": 16}}
    studio.script(CHAT, stream(event("reasoning.delta", content="hm"), event("chat.end", result=result)))
    answered = ask(chat)
    assert (answered.text, answered.reasoning_text, answered.reasoning_tokens) == ("", "hm", 16)


def test_trap_12_the_allowed_reasoning_options_are_listed(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.models[:] = [model(capabilities={"reasoning": {"allowed_options": ["off", "on"], "default": "on"}})]
    assert ask(lambda client: client.list_models()).models[0].reasoning_options == ("off", "on")


def test_trap_13_the_parallel_slots_of_an_instance_are_listed(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.put("qwen3-4b", 4096)
    assert ask(lambda client: client.list_models()).models[0].instances[0].parallel == 4


@pytest.mark.parametrize(
    "body",
    [
        b'{"models": [], "x": NaN}',
        b'{"models": [], "x": -Infinity}',
        b'{"models": [], "x": 1e999}',
        b'{"models": [], "x": ' + b"9" * 5000 + b"}",
        b'{"models": ' + b"[" * 200000,
        b'{"models": [], "models": []}',
        b'{"models": [], "x": "\\ud800"}',
        b'{"models": [], "x": "\xff"}',
        b"",
        b"null",
        b"[]",
        b'{"models": {}}',
    ],
)
def test_trap_14_json_that_python_would_accept_is_a_bad_reply(studio: ScriptedLMStudio, ask: Ask, body: Any) -> None:
    studio.script(LIST, head() + body)
    with pytest.raises(BadReply):
        ask(lambda client: client.list_models())


def test_a_remedy_that_the_server_names_is_not_told_twice() -> None:
    told = 'refused to load "qwen": no room. Try a smaller context length, or unload other models.'
    error = OutOfMemory("http://h", told)
    assert str(error) == f"LM Studio at http://h {told}"
    error.remedy += "; it is loaded again as it was before"
    assert str(error) == f"LM Studio at http://h {told[:-1]}; it is loaded again as it was before."
    assert str(OutOfMemory("http://h", "is full")).endswith("; use a smaller context or unload other models.")
