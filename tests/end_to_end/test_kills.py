"""Kills each process of a running stack in the middle of context tests: nothing is lost, nothing repeated.

In CI three kills of each victim with short leases; `make soak` does twenty of each with the default times.
"""

import os
import random
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.engines import OVERSTATED
from tests.stacks import Stack, running_stack

pytestmark = [pytest.mark.engine, pytest.mark.soak, pytest.mark.timeout(3600)]
SOAK = bool(os.environ.get("LMSTRIX_SOAK"))
ROUNDS = 20 if SOAK else 3
RESUMED_SECONDS = 60
BACK_SECONDS = 45  # who is killed again and again is started again ever later, at most 30 s
BUDGET_MB = 270  # room for 768 tokens: a test has refusals, loads and a fill, and takes seconds
SHORT_LEASES = {"LMSTRIX_HEARTBEAT_SECONDS": "1", "LMSTRIX_STALE_SECONDS": "3", "LMSTRIX_RECONCILE_SECONDS": "2"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp("kills"), budget_mb=BUDGET_MB, env={} if SOAK else SHORT_LEASES
    ) as running:
        yield running


class Client:
    """The REST API of a stack whose web process may be dead for a moment."""

    def __init__(self, stack: Stack) -> None:
        self.api = stack.api("admin")

    def ask(self, method: str, path: str, **options: Any) -> Any:
        until = time.monotonic() + 30
        while True:
            try:
                answer = self.api.request(method, path, **options)
            except httpx.TransportError:
                assert time.monotonic() < until, "the web process did not come back"
                time.sleep(0.2)
            else:
                assert answer.status_code < 400, answer.text
                return answer.json()

    def start(self) -> int:
        """A test of the overstated model, after what an earlier failure left running has ended."""
        for status in ("running", "queued"):
            for job in self.ask("GET", "/jobs", params={"status": status})["items"]:
                self.until_ended(job["id"], 120)
        found = self.ask("GET", "/models", params={"key": OVERSTATED})["items"][0]
        return int(self.ask("POST", "/context-tests", json={"models": [found["id"]]})["job"]["id"])

    def until_ended(self, job: int, seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while (row := self.ask("GET", f"/jobs/{job}"))["status"] in ("queued", "running"):
            assert time.monotonic() < until, row
            time.sleep(0.2)
        return dict(row)

    def found(self, job: int) -> tuple[int | None, list[tuple[str, int]]]:
        """The tested context and the finished probes of a test, as (kind, size)."""
        test = self.ask("GET", f"/context-tests/{self.ask('GET', f'/jobs/{job}')['object']['id']}")
        probes = [p for p in test["probes"] if p["verdict"] not in ("", None, "interrupted")]
        return test["tested_context"], [(p["kind"], p["requested"]) for p in probes]

    def loaded(self) -> list[str]:
        server = self.ask("GET", "/servers")["items"][0]
        models = httpx.get(f"{server['base_url']}/api/v1/models", timeout=10).json()["models"]
        return [copy["id"] for model in models for copy in model["loaded_instances"]]


@pytest.fixture(scope="module")
def client(stack: Stack) -> Client:
    return Client(stack)


@pytest.fixture(scope="module")
def undisturbed(client: Client) -> tuple[float, tuple[int | None, list[tuple[str, int]]]]:
    """How long a test takes and what it finds when nobody kills anything (the second: it starts with an estimate)."""
    while not client.ask("GET", "/models")["items"]:
        time.sleep(0.5)
    client.until_ended(client.start(), 120)
    began = time.monotonic()
    job = client.start()
    client.until_ended(job, 120)
    found = client.found(job)
    assert found[0], found  # there is a window to find again
    return time.monotonic() - began, found


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("victims", [("worker", "web"), ("engine", "valkey")], ids=lambda names: "+".join(names))
def test_a_killed_process_loses_nothing_and_repeats_nothing(
    stack: Stack, client: Client, undisturbed: tuple[float, Any], victims: tuple[str, ...], number: int
) -> None:
    seconds, wanted = undisturbed
    dice = random.Random(f"{victims}{number}{os.getpid()}")
    job = client.start()
    for name in victims:
        time.sleep(dice.uniform(0, seconds / len(victims)))
        stack.until_back(name, stack.kill(name), BACK_SECONDS)
    row = client.until_ended(job, RESUMED_SECONDS + 3 * seconds)
    assert row["status"] == "succeeded", row
    assert client.found(job) == wanted
    assert client.loaded() == []
