"""One streamed chat: what is sent, what is told on the way, what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from registry.lmstudio import LMStudio
from registry.lmstudio.errors import BadReply, ContextTooLong, LMStudioError, OutOfMemory, Unreachable
from registry.lmstudio.wire import ChatProgress
from tests.registry.lmstudio.conftest import Ask
from tests.scripted_http import RESET, answer, event, head, stream
from tests.scripted_lmstudio import CHAT, ScriptedLMStudio

RESULT = {"output": [{"type": "message", "content": "hi"}], "stats": {"input_tokens": 9}, "model_instance_id": "q"}
END = event("chat.end", result=RESULT)


def chat(client: LMStudio, text: str = "hello", **options: Any) -> Any:
    return client.chat("qwen3-4b", text, max_output_tokens=16, **options)


def test_a_chat_is_sent_unstored_and_streamed(studio: ScriptedLMStudio, ask: Ask) -> None:
    ask(chat)
    [sent] = studio.calls(CHAT)
    assert sent.json == {
        "model": "qwen3-4b",
        "input": "hello",
        "stream": True,
        "store": False,
        "temperature": 0,
        "max_output_tokens": 16,
    }


def test_a_chat_gives_the_text_and_the_figures(studio: ScriptedLMStudio, ask: Ask) -> None:
    result = ask(lambda client: chat(client, "x" * 400))
    assert (result.text, result.input_tokens, result.output_tokens) == ("Hello from the scripted model.", 108, 8)
    assert (result.tokens_per_second, result.ttft_seconds, result.instance_id) == (50.0, 0.05, "qwen3-4b")


def test_progress_is_told_in_order(studio: ScriptedLMStudio, ask: Ask) -> None:
    told: list[ChatProgress] = []
    ask(lambda client: chat(client, on_progress=told.append))
    assert "".join(each.delta for each in told).split() == ["Hello", "from", "the", "scripted", "model."]
    assert [each.fraction for each in told if each.phase == "prompt"] == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert (told[0].phase, told[-1]) == ("waiting", ChatProgress("done", 1.0))


def test_loading_just_in_time_is_told(studio: ScriptedLMStudio, ask: Ask) -> None:
    told: list[ChatProgress] = []
    studio.script(CHAT, stream(event("model_load.progress", progress=0.5), END))
    ask(lambda client: chat(client, on_progress=told.append))
    assert told[0] == ChatProgress("loading", 0.5)


def test_an_error_of_the_listener_ends_the_chat_and_stays_its_own(ask: Ask) -> None:
    def listen(progress: Any) -> Any:
        raise ValueError("enough")

    with pytest.raises(ValueError, match=r"^enough$"):
        ask(lambda client: chat(client, on_progress=listen))


@pytest.mark.parametrize(
    "events",
    [
        (
            event("chat.start"),
            event("message.delta", content="h"),
            event("message.delta", content="i"),
            event("chat.end", result={"stats": {"input_tokens": 9}}),
        ),
        (event("some.later.invention", content=[1]), event("tool_call.arguments", arguments={}), END),
        (b"data: " + END.split(b"data: ")[1],),
        (b": comment\n\n\n", END, event("message.delta", content="after the end")),
        tuple(END[i : i + 1] for i in range(len(END))),
        (event("chat.end", **RESULT),),
    ],
    ids=["text only in deltas", "unknown events", "no event name", "after the end", "byte by byte", "bare result"],
)
def test_streams_of_other_making_are_understood(studio: ScriptedLMStudio, ask: Ask, events: Any) -> None:
    studio.script(CHAT, stream(*events))
    result = ask(chat)
    assert (result.text, result.input_tokens) == ("hi", 9)


def test_a_whole_answer_in_place_of_a_stream_is_understood(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(CHAT, answer(RESULT))
    assert ask(chat).text == "hi"


def test_a_nul_in_the_text_is_replaced(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(CHAT, stream(event("chat.end", result={"output": [{"type": "message", "content": "a\0b"}]})))
    assert ask(chat).text == "a\ufffdb"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"error": {"type": "unknown", "message": "failed to allocate compute buffers"}}, OutOfMemory),
        ({"error": "request (9 tokens) exceeds the available context size (5 tokens)"}, ContextTooLong),
        ({"message": "out of memory"}, OutOfMemory),
        ({}, LMStudioError),
    ],
)
def test_an_error_in_the_stream_is_raised(studio: ScriptedLMStudio, ask: Ask, data: Any, kind: Any) -> None:
    studio.script(CHAT, stream(event("chat.start"), event("error", **data), END))
    with pytest.raises(kind):
        ask(chat)


@pytest.mark.parametrize(
    "events",
    [
        (event("chat.start"), event("message.delta", content="hi")),
        (END[:-30],),
        (),
        (b"event: chat.end\ndata: {nonsense\n\n",),
        (b"event: chat.end\ndata: [1]\n\n",),
        (event("chat.end", result=None),),
        (event("chat.end", result={"output": 5}),),
        (event("chat.end", result={"stats": {"input_tokens": "many"}}),),
        (event("chat.end", result={"stats": {"tokens_per_second": -1}}),),
        (b"event: chat.end\ndata: " + b'{"result": {"stats": {"tokens_per_second": NaN}}}\n\n',),
        (b'event: message.delta\ndata: {"content": "\\ud83d"}\n\n', END),
        (b"<html>not LM Studio at all</html>",),
    ],
)
def test_a_stream_without_a_proper_end_is_a_bad_reply(studio: ScriptedLMStudio, ask: Ask, events: Any) -> None:
    studio.script(CHAT, stream(*events))
    with pytest.raises(BadReply) as caught:
        ask(chat)
    assert "not LM Studio at all" not in str(caught.value)


def test_a_stream_cut_by_a_reset_is_a_lost_connection(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(CHAT, stream(event("chat.start"), 0.05, RESET))
    with pytest.raises(Unreachable):
        ask(chat)


def test_a_chunked_stream_cut_in_the_middle_is_a_lost_connection(studio: ScriptedLMStudio, ask: Ask) -> None:
    chunk = event("chat.start")
    studio.script(
        CHAT, [head(200, {"Transfer-Encoding": "chunked"}) + f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"]
    )
    with pytest.raises(Unreachable):
        ask(chat)
