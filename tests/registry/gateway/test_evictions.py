"""The gateway and whoever unloads: while a copy is drained no request is under way there, and it serves again after."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from registry import draining
from registry.load_lock import loading_on
from registry.models import GatewayProcess, Instance
from registry.models.state_change import Cause
from registry.unloading import take_out
from tests.gateways import CHAT, RunningGateway, make_loaded, running_gateway
from tests.scripted_openai import ScriptedOpenAI

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
SOAK = bool(os.environ.get("LMSTRIX_SOAK"))


@pytest.fixture
def upstream() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(["one"]) as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, upstream: ScriptedOpenAI) -> Iterator[RunningGateway]:
    make_loaded("one", url=upstream.url)
    with running_gateway(tmp_path) as running:
        yield running


def client(gateway: RunningGateway, over: threading.Event, seed: int, answered: list[int]) -> None:
    """Asks again and again for answers of some tenths of a second."""
    dice = random.Random(seed)
    while not over.is_set():
        body = {"model": "one", "messages": [{"role": "user", "content": '{"tokens": 4, "gap_ms": 40}'}]}
        answer = httpx.post(gateway.url + CHAT, json=body | {"stream": True}, headers=gateway.headers, timeout=20)
        answered.append(answer.status_code)
        time.sleep(dice.uniform(0, 0.1))


def unload(upstream: ScriptedOpenAI) -> list[int]:
    """Unloads as the policy does; gives how many answers were under way once it was drained."""
    copy = Instance.objects.select_related("server", "model").get()
    with loading_on(copy.server, "unloading"):
        if not draining.drained(copy, timeout=5):
            return []
        under_way = []
        for _ in range(10):
            under_way.append(upstream.in_flight)
            time.sleep(0.01)
        take_out(copy, cause=Cause.POLICY, reason="a test", patience=5)
    return under_way


def test_under_load_every_unload_waits_for_the_answers_and_no_request_fails(
    gateway: RunningGateway, upstream: ScriptedOpenAI
) -> None:
    """Whoever asks meanwhile has it loaded again."""
    over, answered = threading.Event(), list[int]()
    clients = [threading.Thread(target=client, args=(gateway, over, seed, answered)) for seed in range(3)]
    for thread in clients:
        thread.start()
    under_way, until = [], time.monotonic() + (120 if SOAK else 6)
    while time.monotonic() < until:
        time.sleep(0.2)
        if Instance.objects.exists():
            under_way += unload(upstream)
    over.set()
    for thread in clients:
        thread.join(20)
    assert (set(under_way), set(answered)) == ({0}, {200})
    unloads = sum(request.path == "/api/v1/models/unload" for request in upstream.requests)
    assert (unloads >= 1, len(answered) > 10) == (True, True), (unloads, len(answered))


def test_a_long_answer_keeps_its_copy_and_the_gateway_goes_on_sending_there(gateway: RunningGateway) -> None:
    copy, answers = Instance.objects.get(), list[httpx.Response]()
    ask = threading.Thread(target=lambda: answers.append(gateway.ask('{"tokens": 30, "gap_ms": 100}', stream=True)))
    ask.start()
    until = time.monotonic() + 5
    while not draining.in_flight(copy) and time.monotonic() < until:
        time.sleep(0.05)
    assert not draining.drained(copy, timeout=1.5)
    ask.join(10)
    assert (answers[0].status_code, answers[0].content.count(b"data:") > 30) == (200, True)
    assert GatewayProcess.objects.count() == 1
