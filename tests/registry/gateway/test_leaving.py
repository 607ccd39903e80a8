"""Clients that leave in the middle: the server is let go, and the record is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateways import CHAT, RunningGateway, make_loaded, records, running_gateway
from tests.scripted_openai import ScriptedOpenAI

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

ENDLESS = '{"gap_ms": 20, "ending": "endless"}'


@pytest.fixture
def upstream() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(["one"]) as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, upstream: ScriptedOpenAI) -> Iterator[RunningGateway]:
    make_loaded("one", url=upstream.url)
    with running_gateway(tmp_path) as running:
        yield running


def leave(gateway: RunningGateway, prompt: str, *, words: int = 0, stream: bool = True, seconds: float = 0.0) -> float:
    """Goes away after so many words, or seconds; gives the moment."""
    body = {"model": "one", "messages": [{"role": "user", "content": prompt}], "stream": stream}
    try:
        with httpx.stream(
            "POST", gateway.url + CHAT, json=body, headers=gateway.headers, timeout=seconds or 10
        ) as answer:
            text = ""
            for piece in answer.iter_text():
                text += piece
                if words and text.count("data:") >= words:
                    break
    except httpx.ReadTimeout:
        pass
    return time.monotonic()


def dropped(upstream: ScriptedOpenAI, prompt: str, left: float) -> float:
    """Seconds after which the upstream was let go."""
    while not upstream.dropped[prompt] and time.monotonic() < left + 5:
        time.sleep(0.01)
    return upstream.dropped_at[prompt] - left


def test_a_stream_that_is_left_ends_within_a_second_and_has_its_tokens(
    gateway: RunningGateway, upstream: ScriptedOpenAI
) -> None:
    left = leave(gateway, ENDLESS, words=30)
    assert dropped(upstream, ENDLESS, left) < 1
    (record,) = records()
    assert (record.outcome, record.status, record.estimated) == ("interrupted", 200, True)
    assert record.tokens_out is not None
    assert 30 <= record.tokens_out <= 40
    assert not gateway.process.traffic.seen().in_flight


def test_who_leaves_before_the_first_word_stops_the_server_too(
    gateway: RunningGateway, upstream: ScriptedOpenAI
) -> None:
    slow = '{"first_ms": 60000}'
    left = leave(gateway, slow, seconds=0.5)
    assert dropped(upstream, slow, left) < 1
    (record,) = records()
    assert (record.outcome, record.tokens_out) == ("interrupted", 0)


def test_nothing_is_left_behind_by_fifty_who_leave(gateway: RunningGateway, upstream: ScriptedOpenAI) -> None:
    for _ in range(50):
        leave(gateway, ENDLESS, words=2)
    assert {record.outcome for record in records(50)} == {"interrupted"}
    until = time.monotonic() + 3
    while upstream.open_connections > 1 and time.monotonic() < until:
        time.sleep(0.05)
    assert upstream.open_connections <= 1
    assert len(records(50)) == 50
