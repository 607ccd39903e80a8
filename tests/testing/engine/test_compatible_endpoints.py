"""/api/v0 and the OpenAI paths, the quirks of LM Studio, and its token."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engines import PLAIN, Engine, start_engine

pytestmark = pytest.mark.engine

CHAT = {
    "model": PLAIN, "messages": [{"role": "user", "content": "What is gravity?"}], "temperature": 0, "max_tokens": 5,
}  # fmt: skip


@pytest.fixture
def loaded(lm: httpx.Client) -> httpx.Client:
    lm.post("/api/v1/models/load", json={"model": PLAIN, "context_length": 512}).raise_for_status()
    return lm


def chunks(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_the_older_list_tells_the_state_and_no_size(loaded: httpx.Client) -> None:
    model = loaded.get("/api/v0/models").json()["data"][0]
    assert (model["id"], model["type"], model["state"]) == (PLAIN, "llm", "loaded")
    assert (model["max_context_length"], model["loaded_context_length"]) == (8192, 512)
    assert "size_bytes" not in model
    assert loaded.get(f"/api/v0/models/{PLAIN}").json() == model


def test_the_older_chat_has_stats(loaded: httpx.Client) -> None:
    answer = loaded.post("/api/v0/chat/completions", json=CHAT).json()
    assert answer["stats"]["stop_reason"] == "maxPredictedTokensReached"
    assert answer["stats"]["tokens_per_second"] > 0
    assert answer["model_info"] == {"arch": "llama", "quant": "Q4_1", "format": "gguf", "context_length": 512}
    assert answer["runtime"]["name"].startswith("llama.cpp")
    assert answer["usage"]["completion_tokens"] == 5


def test_the_older_completion_continues_a_text(loaded: httpx.Client) -> None:
    asked = {"model": PLAIN, "prompt": "The capital of France is", "temperature": 0, "max_tokens": 2}
    answer = loaded.post("/api/v0/completions", json=asked).json()
    assert "Paris" in answer["choices"][0]["text"]


def test_the_open_ai_list_has_every_model(lm: httpx.Client) -> None:
    answer = lm.get("/v1/models").json()
    assert PLAIN in [model["id"] for model in answer["data"]]


def test_chat_completions_answer_in_the_open_ai_shape(loaded: httpx.Client) -> None:
    answer = loaded.post("/v1/chat/completions", json=CHAT).json()
    assert (answer["object"], answer["model"]) == ("chat.completion", PLAIN)
    assert answer["choices"][0]["message"]["content"].startswith("Gravity")
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + 5
    assert "timings" not in answer


def test_a_stream_tells_usage_only_when_asked(loaded: httpx.Client) -> None:
    plain = chunks(loaded.post("/v1/chat/completions", json=CHAT | {"stream": True}).text)
    asked = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
    with_usage = chunks(loaded.post("/v1/chat/completions", json=asked).text)
    assert not any(chunk.get("usage") for chunk in plain)
    assert with_usage[-1]["usage"]["completion_tokens"] == 5
    assert len(with_usage) == len(plain) + 1


def test_a_model_without_vectors_says_so(lm: httpx.Client) -> None:
    for path in ("/v1/embeddings", "/api/v0/embeddings"):
        answer = lm.post(path, json={"model": PLAIN, "input": "text"})
        assert answer.status_code == 400
        assert "not an embedding model" in answer.json()["error"]


def test_errors_off_the_native_path_are_plain_texts(loaded: httpx.Client) -> None:
    answer = loaded.post("/v1/chat/completions", json={"model": PLAIN})
    assert (answer.status_code, answer.json()) == (400, {"error": "'messages' is required"})


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/api/v1/chat"), ("DELETE", "/v1/models")])
def test_an_unknown_path_or_method_answers_200_with_an_error(lm: httpx.Client, method: str, path: str) -> None:
    answer = lm.request(method, path)
    assert answer.status_code == 200
    assert answer.json() == {"error": f"Unexpected endpoint or method. ({method} {path})"}


@pytest.mark.parametrize("path", ["/api/v1/models/load", "/api/v1/models/unload", "/api/v1/chat", "/v1/completions"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"model": 5}'])
def test_no_body_breaks_an_endpoint(lm: httpx.Client, path: str, content: bytes) -> None:
    answer = lm.post(path, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.fixture(scope="module")
def guarded(engine_data: Path) -> Iterator[Engine]:
    engine = start_engine(engine_data, token="secret")
    yield engine
    engine.stop()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret2"}])
def test_a_missing_or_wrong_token_is_401(guarded: Engine, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{guarded.url}/api/v1/models", headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_the_right_token_opens(guarded: Engine) -> None:
    headers = {"Authorization": "Bearer secret"}
    assert httpx.get(f"{guarded.url}/api/v1/models", headers=headers, trust_env=False).status_code == 200
