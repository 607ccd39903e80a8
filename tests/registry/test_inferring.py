"""One prompt to a model: routed like at the gateway, loaded on demand, recorded once whatever becomes of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from registry import calling, draining, grouping, inferring, profiling
from registry.carrying import carrying
from registry.inferring import Wish
from registry.lmstudio.errors import LMStudioError
from registry.models import GatewayProcess, InferenceRecord, Instance, LanguageModel, Registry, Rollup, Server
from tests.builders import make_model, make_server
from tests.scripted_http import RESET, answer, event, stream
from tests.scripted_lmstudio import CHAT, LOAD, ScriptedLMStudio, model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


@pytest.fixture
def shelf(studio: ScriptedLMStudio) -> Server:
    return make_server(name="shelf", base_url=studio.url, reachable=True)


@pytest.fixture
def qwen(shelf: Server) -> LanguageModel:
    return make_model(key="qwen", server=shelf, tested_context=8192)


def wish(name: str, prompt: str = "Say hello.", **fields: Any) -> Wish:
    return Wish(Registry.objects.default(), name, prompt, **fields)


def loaded(model: LanguageModel, **fields: Any) -> Instance:
    assert model.server
    return Instance.objects.create(server=model.server, model=model, **fields)


def test_a_prompt_is_answered_with_its_figures_and_recorded_once(qwen: LanguageModel) -> None:
    told = inferring.infer(wish("qwen"))
    assert told.text == "Hello from the scripted model."
    assert (told.tokens_in, told.tokens_out, told.tokens_per_second, told.estimated) == (11, 8, 50.0, False)
    row = InferenceRecord.objects.get()
    assert (row.uuid, row.outcome, row.source, row.endpoint) == (told.uuid, "ok", "infer", "chat")
    assert (row.model_id, row.server_id, row.tokens_in, row.tokens_out) == (qwen.pk, qwen.server_id, 11, 8)
    assert 0 < (row.ttft_us or 0) <= (row.duration_us or 0)
    assert Rollup.objects.filter(scope="model", model_id=qwen.pk, requests=1).exists()


def test_it_is_loaded_with_its_verified_window_and_never_twice(studio: ScriptedLMStudio, qwen: LanguageModel) -> None:
    for _ in range(2):
        inferring.infer(wish("qwen"))
    assert [call.json["context_length"] for call in studio.calls(LOAD)] == [8192]
    assert studio.instances() == ["qwen"]


def test_a_copy_that_is_loaded_and_large_enough_is_used_as_it_is(studio: ScriptedLMStudio, qwen: LanguageModel) -> None:
    studio.put("qwen", 4096)
    loaded(qwen, instance_id="qwen", context_length=4096)
    inferring.infer(wish("qwen"))
    assert not studio.calls(LOAD)


def test_pieces_come_as_they_are_said(qwen: LanguageModel) -> None:
    heard: list[str] = []
    inferring.infer(wish("qwen"), hear=lambda progress: heard.append(progress.delta))
    assert [piece for piece in heard if piece] == ["Hello ", "from ", "the ", "scripted ", "model. "]


def test_a_profile_says_which_model_how_warm_and_how_long(studio: ScriptedLMStudio, qwen: LanguageModel) -> None:
    profiling.save_profile(qwen.registry, "fast", preferred_models=["qwen"], temperature=0.7, max_context=500)
    inferring.infer(wish("profile:fast"))
    body = studio.calls(CHAT)[0].json
    assert (body["model"], body["temperature"]) == ("qwen", 0.7)
    assert body["max_output_tokens"] == 500 - 3 - inferring.SPARE
    assert InferenceRecord.objects.get().model_key == "profile:fast"


def test_a_group_takes_the_model_that_is_in_memory(qwen: LanguageModel) -> None:
    gemma = make_model(key="gemma", server=qwen.server, state="loaded")
    grouping.create_group(qwen.registry, "chat", [qwen, gemma])
    assert inferring.infer(wish("group:chat")).model == gemma


def test_of_several_servers_the_one_that_answers_is_taken(qwen: LanguageModel) -> None:
    make_model(key="qwen", server=make_server(name="dead", reachable=False))
    assert inferring.infer(wish("qwen")).model == qwen


def test_a_prompt_too_long_for_the_verified_window_is_refused_with_the_numbers(
    studio: ScriptedLMStudio, qwen: LanguageModel
) -> None:
    with pytest.raises(ValueError, match=r"about 10,000 tokens \(40,000 characters\).* qwen is 8,192"):
        inferring.infer(wish("qwen", "x" * 40_000))
    assert not studio.requests


def test_a_group_sends_it_to_a_model_where_it_fits(qwen: LanguageModel) -> None:
    wide = make_model(key="gemma", server=qwen.server, tested_context=32_768)
    grouping.create_group(qwen.registry, "chat", [qwen, wide])
    assert inferring.infer(wish("group:chat", "x" * 40_000)).model == wide


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "There is no model named nothing"),
        ("profile:nothing", "There is no profile named nothing"),
        ("group:nothing", "There is no group named nothing"),
    ],
)
def test_a_name_that_means_nothing_is_said(qwen: LanguageModel, name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        inferring.infer(wish(name))
    assert not InferenceRecord.objects.exists()


def test_an_embedding_model_and_a_silent_server_are_named() -> None:
    make_model(key="embed", type="embedding", server=make_server(reachable=True))
    make_model(key="far", server=make_server(name="attic", reachable=False))
    for name, reason in (("embed", "makes embeddings"), ("far", "attic does not answer")):
        with pytest.raises(ValueError, match=reason):
            inferring.infer(wish(name))


def test_an_error_of_the_server_is_recorded_as_one(studio: ScriptedLMStudio, qwen: LanguageModel) -> None:
    studio.script(CHAT, answer({"error": {"type": "internal_error", "message": "it burns"}}, 500))
    with pytest.raises(LMStudioError, match="it burns"):
        inferring.infer(wish("qwen"))
    row = InferenceRecord.objects.get()
    assert (row.outcome, "it burns" in row.error) == ("error", True)


def test_a_stream_that_breaks_off_keeps_the_tokens_that_came(studio: ScriptedLMStudio, qwen: LanguageModel) -> None:
    words = [event("message.delta", content=word) for word in ("one ", "two ", "three")]
    studio.script(CHAT, stream(event("chat.start"), *words, 0.05, RESET))
    with pytest.raises(LMStudioError):
        inferring.infer(wish("qwen"))
    row = InferenceRecord.objects.get()
    assert (row.outcome, row.tokens_out, row.estimated) == ("error", 3, True)


class Stopped(Exception):
    """What somebody's look raises."""


def test_who_stops_it_closes_the_connection_and_it_is_recorded_as_interrupted(
    studio: ScriptedLMStudio, qwen: LanguageModel
) -> None:
    studio.behaviour.token_seconds = 0.3
    heard: list[str] = []

    def look() -> None:
        if any(heard):
            raise Stopped

    with pytest.raises(Stopped):
        inferring.infer(wish("qwen"), hear=lambda progress: heard.append(progress.delta), look=look)
    row = InferenceRecord.objects.get()
    assert (row.outcome, 1 <= (row.tokens_out or 0) < 5, row.estimated) == ("interrupted", True, True)


def test_while_it_is_answered_nobody_unloads_it(qwen: LanguageModel) -> None:
    instance = loaded(qwen, instance_id="qwen")
    with carrying(instance):
        assert draining.in_flight(instance) == 1
        assert not draining.drained(instance, timeout=0)
    assert draining.drained(instance, timeout=0)
    assert not GatewayProcess.objects.exists()
    instance.refresh_from_db()
    assert instance.last_used is not None


def test_one_that_is_being_unloaded_is_not_asked(qwen: LanguageModel) -> None:
    instance = loaded(qwen, instance_id="qwen", draining=timezone.now())
    with pytest.raises(ValueError, match="is being unloaded from shelf"), carrying(instance):
        pass
    assert not GatewayProcess.objects.exists()


def infer(*arguments: str) -> tuple[str, str]:
    output, beside = io.StringIO(), io.StringIO()
    call_command("infer", *arguments, stdout=output, stderr=beside)
    return output.getvalue(), beside.getvalue()


def test_the_command_prints_the_answer_and_the_figures_beside_it(qwen: LanguageModel) -> None:
    output, beside = infer("Say hello.", "-m", "qwen")
    assert output == "Hello from the scripted model.\n"
    assert "qwen on shelf · first token after" in beside
    assert "50.0 tokens/s · 11 tokens in, 8 out" in beside


def test_the_command_streams_and_reads_the_prompt_from_its_input(qwen: LanguageModel) -> None:
    with mock.patch("sys.stdin", io.StringIO("Say hello.")):
        output, _ = infer("-", "-m", "shelf/qwen", "--stream")
    assert output == "Hello from the scripted model. \n"


def test_the_command_prints_json(qwen: LanguageModel) -> None:
    profiling.save_profile(qwen.registry, "fast", preferred_models=["qwen"])
    told = json.loads(infer("Say hello.", "--profile", "fast", "--json")[0])
    assert (told["text"], told["model"], told["server"]) == ("Hello from the scripted model.", "qwen", "shelf")
    assert told["ttft"] > 0
    assert told["tokens_per_second"] == 50.0


def test_what_a_model_says_does_not_steer_a_terminal(studio: ScriptedLMStudio, qwen: LanguageModel) -> None:
    studio.behaviour.says = lambda _: "red \x1b[31mtext\x07"
    assert "\x1b" not in infer("x", "-m", "qwen")[0] + infer("x", "-m", "qwen", "--stream")[0]


def test_exit_codes_tell_usage_failure_and_silence_apart(studio: ScriptedLMStudio, qwen: LanguageModel) -> None:
    make_model(key="far", server=make_server(name="dead"))
    cases = [("nothing",), ("qwen", "--temperature", "9"), ("qwen", "--max-tokens", "0"), ("far",)]
    codes = []
    studio.script(CHAT, answer({"error": "it burns"}, 500))
    for case in [*cases, ("qwen",)]:
        with pytest.raises(CommandError) as stopped:
            infer("Say hello.", "-m", *case)
        codes.append(stopped.value.returncode)
    assert codes == [2, 2, 2, 3, 1]


def test_a_list_to_choose_from_has_those_in_memory_first(qwen: LanguageModel) -> None:
    make_model(key="a", server=qwen.server)
    make_model(key="z", server=qwen.server, state="loaded")
    make_model(key="e", server=qwen.server, type="embedding")
    assert [each.key for each in calling.by_name(qwen.registry, 10)][:1] == ["z"]
    assert {each.key for each in calling.by_name(qwen.registry, 10)} == {"a", "qwen", "z"}
