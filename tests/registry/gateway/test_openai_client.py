"""The official OpenAI client, unchanged, against the gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import orjson
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk

from tests.gateway_stack import GatewayStack
from tests.scripted_openai import ScriptedOpenAI, usage
from tests.scripted_wire import Raw

WORDS = "".join(f"t{n} " for n in range(8))


@pytest.fixture(scope="module")
def client(gateway: GatewayStack) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.token, max_retries=0, timeout=20) as made:
        yield made


def said(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


def slow(**script: Any) -> str:
    return orjson.dumps(script).decode()


def text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_chat_is_answered_with_its_usage(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    answer = client.chat.completions.create(model="one", messages=said("hello"))
    assert answer.choices[0].message.content == WORDS
    assert answer.usage
    assert answer.usage.total_tokens == usage("hello", 8)["total_tokens"]


def test_a_stream_gives_every_word_and_no_usage_that_nobody_asked_for(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    chunks = list(client.chat.completions.create(model="one", messages=said("hello"), stream=True))
    assert text(chunks) == WORDS
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_a_stream_tells_usage_where_it_is_asked_for(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(model="one", messages=said("hi"), stream=True, stream_options=options)
    told = [chunk.usage for chunk in stream if chunk.usage]
    assert [(one.prompt_tokens, one.completion_tokens) for one in told] == [(1, 8)]


def test_words_arrive_one_by_one_and_not_at_the_end(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    times = []
    prompt = slow(tokens=4, gap_ms=60)
    for _ in client.chat.completions.create(model="one", messages=said(prompt), stream=True):
        times.append(time.monotonic())
    assert times[3] - times[0] >= 0.12


def test_tool_calls_come_through_a_stream(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    parts = ['{"city": ', '"Zürich"}']
    calls = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "w", "arguments": p}} for p in parts]
    events = [orjson.dumps({"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [one]}}]}) for one in calls]
    pieces = tuple(b"data: " + event + b"\n\n" for event in [*events, b"[DONE]"])
    upstream.replies["weather"] = lambda body: Raw(pieces)
    stream = client.chat.completions.create(model="one", messages=said("weather"), stream=True)
    got = [call.function for chunk in stream for call in chunk.choices[0].delta.tool_calls or []]
    assert [function.arguments for function in got if function] == parts


def test_fields_that_the_gateway_does_not_know_reach_the_upstream(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    client.chat.completions.create(
        model="one", messages=said("hi"), temperature=0.25, seed=7, extra_body={"top_k": 40, "draft": {"n": [1, 2.5]}}
    )
    sent = upstream.requests[-1].json
    assert (sent["temperature"], sent["seed"], sent["top_k"], sent["draft"]) == (0.25, 7, 40, {"n": [1, 2.5]})


def test_completions_are_answered_whole_and_as_a_stream(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    whole = client.completions.create(model="one", prompt="once")
    parts = client.completions.create(model="one", prompt="once", stream=True)
    assert whole.choices[0].text == "".join(part.choices[0].text for part in parts) == WORDS


def test_embeddings_are_answered(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    answer = client.embeddings.create(model="embedder", input="some text", encoding_format="float")
    assert answer.data[0].embedding == [0.25, -0.5, 1.0]


def test_models_are_listed(client: OpenAI) -> None:
    assert {"one", "two", "embedder"} <= {model.id for model in client.models.list()}


def test_the_answer_names_model_server_and_overhead(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    answer = client.chat.completions.with_raw_response.create(model="one", messages=said("hi"))
    assert answer.headers["x-lmstrix-model"] == "one"
    assert answer.headers["x-lmstrix-server"] == "upstream"
    assert 0 <= float(answer.headers["x-lmstrix-overhead-ms"]) < 1000


def test_a_wrong_token_is_an_authentication_error(gateway: GatewayStack) -> None:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="lmx_wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as refusal:
            stranger.chat.completions.create(model="one", messages=said("hi"))
        assert refusal.value.status_code == 401


def test_an_unknown_model_is_not_found_by_its_name(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no-such-model") as refusal:
        client.chat.completions.create(model="no-such-model", messages=said("hi"))
    assert refusal.value.code == "model_not_found"


def test_a_prompt_that_cannot_fit_is_refused_with_the_numbers(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"8,?192") as refusal:
        client.chat.completions.create(model="one", messages=said("long " * 30_000))
    assert refusal.value.code == "context_length_exceeded"
    assert not upstream.requests


def test_an_error_of_the_upstream_is_the_clients_error(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="scripted failure"):
        client.chat.completions.create(model="one", messages=said(slow(status=500)))


def test_a_body_that_is_no_json_is_a_bad_request(gateway: GatewayStack) -> None:
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", content=b'{"model": ', headers=gateway.headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_client_that_leaves_a_stream_stops_the_upstream_within_a_second(
    client: OpenAI, upstream: ScriptedOpenAI
) -> None:
    prompt = slow(tokens=1, ending="endless", gap_ms=20)
    stream = client.chat.completions.create(model="one", messages=said(prompt), stream=True)
    for _, _chunk in zip(range(5), stream, strict=False):
        pass
    left = time.monotonic()
    stream.close()
    assert stopped(upstream, prompt) - left < 1


def test_a_client_that_does_not_wait_for_the_first_word_stops_the_upstream(
    client: OpenAI, upstream: ScriptedOpenAI
) -> None:
    prompt = slow(tokens=1, first_ms=30_000)
    with pytest.raises((openai.APITimeoutError, httpx.ReadTimeout)):
        list(client.with_options(timeout=0.5).chat.completions.create(model="one", messages=said(prompt), stream=True))
    left = time.monotonic()
    assert stopped(upstream, prompt) - left < 1


def test_a_server_that_refuses_to_tell_usage_is_asked_without_it(client: OpenAI, upstream: ScriptedOpenAI) -> None:
    upstream.refuses_usage = True
    for _ in range(2):
        chunks = list(client.chat.completions.create(model="one", messages=said("hello"), stream=True))
        assert text(chunks) == WORDS
    assert ["stream_options" in r.json for r in upstream.requests if r.method == "POST"] == [True, False, False]


def stopped(upstream: ScriptedOpenAI, prompt: str, seconds: float = 5) -> float:
    """When the upstream's client of this prompt went away (monotonic seconds)."""
    until = time.monotonic() + seconds
    while prompt not in upstream.dropped_at and time.monotonic() < until:
        time.sleep(0.02)
    return upstream.dropped_at[prompt]
