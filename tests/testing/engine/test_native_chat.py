"""POST /api/v1/chat: one JSON answer, or named events."""

import json
import threading
import time
from typing import Any

import httpx
import psutil
import pytest

from tests.engines import OVERSTATED, PLAIN, Engine

pytestmark = pytest.mark.engine

Events = list[tuple[str, dict[str, Any]]]


def body(**fields: Any) -> dict[str, Any]:
    return {
        "model": PLAIN, "input": "What is gravity?", "temperature": 0, "max_output_tokens": 6, "store": False,
    } | fields  # fmt: skip


def load(lm: httpx.Client, context_length: int = 512) -> None:
    lm.post("/api/v1/models/load", json={"model": PLAIN, "context_length": context_length}).raise_for_status()


def events(lm: httpx.Client, **fields: Any) -> Events:
    text = lm.post("/api/v1/chat", json=body(stream=True, **fields)).text
    frames = [frame.split("\n") for frame in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]


def names(found: Events) -> list[str]:
    return [name for name, _ in found]


def long_text(records: int) -> str:
    return " ".join(f"Record {number}: the value is {number * 37 % 991}." for number in range(records))


def test_an_answer_carries_its_figures(lm: httpx.Client) -> None:
    load(lm)
    answer = lm.post("/api/v1/chat", json=body()).json()
    assert answer["model_instance_id"] == PLAIN
    assert answer["output"][0]["type"] == "message"
    assert answer["output"][0]["content"].startswith("Gravity")
    stats = answer["stats"]
    assert (stats["input_tokens"], stats["total_output_tokens"], stats["reasoning_output_tokens"]) == (34, 6, 0)
    assert stats["tokens_per_second"] > 0
    assert stats["time_to_first_token_seconds"] > 0
    assert "model_load_time_seconds" not in stats
    assert "response_id" not in answer


def test_temperature_zero_gives_the_same_answer_again(lm: httpx.Client) -> None:
    load(lm)
    texts = []
    for between in ("Tell me a story.", "What is"):
        texts.append(lm.post("/api/v1/chat", json=body(max_output_tokens=24)).json()["output"])
        lm.post("/api/v1/chat", json=body(input=between, temperature=1))
    assert texts[0] == texts[1]


def test_a_stream_names_its_events_and_ends_with_the_whole_result(lm: httpx.Client) -> None:
    load(lm)
    found = events(lm)
    order = [name for name, following in zip(names(found), [*names(found)[1:], ""], strict=True) if name != following]
    assert order == [
        "chat.start", "prompt_processing.start", "prompt_processing.progress", "prompt_processing.end",
        "message.start", "message.delta", "message.end", "chat.end",
    ]  # fmt: skip
    assert all(data["type"] == name for name, data in found)
    text = "".join(data["content"] for name, data in found if name == "message.delta")
    assert found[-1][1]["result"]["output"] == [{"type": "message", "content": text}]


def test_progress_grows_with_the_prompt_that_was_read(lm: httpx.Client) -> None:
    load(lm, 1536)
    found = events(lm, input=long_text(90), max_output_tokens=1)
    progress = [data["progress"] for name, data in found if name == "prompt_processing.progress"]
    assert len(progress) >= 3
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_a_model_that_is_not_loaded_is_loaded_just_in_time(lm: httpx.Client) -> None:
    found = events(lm, context_length=512)
    assert names(found)[:5] == [
        "chat.start", "model_load.start", "model_load.progress", "model_load.progress", "model_load.end",
    ]  # fmt: skip
    assert found[-1][1]["result"]["stats"]["model_load_time_seconds"] > 0
    again = lm.post("/api/v1/chat", json=body()).json()
    assert "model_load_time_seconds" not in again["stats"]


def test_another_context_makes_another_instance(lm: httpx.Client) -> None:
    load(lm, 512)
    answer = lm.post("/api/v1/chat", json=body(context_length=1024)).json()
    assert answer["model_instance_id"] == f"{PLAIN}:2"


def test_a_ttl_ends_an_idle_instance_that_was_loaded_just_in_time(lm: httpx.Client) -> None:
    lm.post("/v1/completions", json={"model": PLAIN, "prompt": "a", "max_tokens": 1, "ttl": 0.3}).raise_for_status()
    deadline = time.monotonic() + 5
    while lm.get("/api/v0/models").json()["data"][0]["state"] == "loaded":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_ttl_does_not_touch_what_was_loaded_before(lm: httpx.Client) -> None:
    load(lm)
    lm.post("/v1/completions", json={"model": PLAIN, "prompt": "a", "max_tokens": 1, "ttl": 0.1}).raise_for_status()
    time.sleep(0.8)
    assert lm.get("/api/v0/models").json()["data"][0]["state"] == "loaded"


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(lm: httpx.Client, stream: bool) -> None:
    load(lm, 256)
    answer = lm.post("/api/v1/chat", json=body(input=long_text(60), stream=stream))
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert "context length of only 256 tokens" in message
    assert "tokens" in message.split("However")[0]


def test_an_error_after_the_start_is_an_event_and_the_result_follows(lm: httpx.Client) -> None:
    found = events(lm, model=OVERSTATED, context_length=100_000)
    assert names(found)[-2:] == ["error", "chat.end"]
    assert found[-2][1]["error"]["type"] == "model_load_failed"


def test_a_stored_answer_can_be_continued(lm: httpx.Client) -> None:
    load(lm)
    first = lm.post("/api/v1/chat", json=body(store=True)).json()
    second = lm.post("/api/v1/chat", json=body(previous_response_id=first["response_id"])).json()
    assert second["stats"]["input_tokens"] > first["stats"]["input_tokens"] + 6


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"messages": []}, "messages"),
        ({"input": None}, "input"),
        ({"input": [{"type": "image", "data_url": "x"}]}, "images"),
        ({"temperature": 1.5}, "temperature"),
        ({"reasoning": "high"}, "reasoning"),
        ({"previous_response_id": "resp_x"}, "resp_x"),
        ({"model": "nobody"}, "nobody"),
    ],
)
def test_a_wrong_chat_request_is_refused_by_name(lm: httpx.Client, fields: dict[str, Any], named: str) -> None:
    answer = lm.post("/api/v1/chat", json=body(**fields))
    assert answer.status_code in (400, 404)
    assert named in answer.json()["error"]["message"]


def test_a_client_that_leaves_stops_the_work_and_the_list_answers_meanwhile(
    lm: httpx.Client, shared_engine: Engine
) -> None:
    load(lm, 4096)
    child = psutil.Process(shared_engine.pid).children()[0]
    asked = body(input=long_text(250), stream=True)
    with lm.stream("POST", "/api/v1/chat", json=asked) as response:
        next(line for line in response.iter_lines() if "prompt_processing.progress" in line)
        began = time.monotonic()
        assert lm.get("/api/v1/models").status_code == 200
        assert time.monotonic() - began < 1
    deadline = time.monotonic() + 15
    while child.cpu_percent(0.3) > 10:
        assert time.monotonic() < deadline
    assert lm.post("/api/v1/chat", json=body()).status_code == 200


def test_an_instance_that_dies_in_the_middle_is_an_error_not_a_hang(lm: httpx.Client, shared_engine: Engine) -> None:
    load(lm, 4096)
    child = psutil.Process(shared_engine.pid).children()[0]
    threading.Timer(0.5, child.kill).start()
    answer = lm.post("/api/v1/chat", json=body(input=long_text(250)))
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "internal_error")
    assert "crashed" in answer.json()["error"]["message"]
