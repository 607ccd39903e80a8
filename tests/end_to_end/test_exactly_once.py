"""Every request through the gateway has one record and none has two, whatever dies meanwhile.

In CI 2,000 requests, three kills of the web process and two of the worker, and a lock of 3 s; with LMSTRIX_SOAK=1
20,000 requests, sixty and three kills, and a lock of 30 s.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import pytest

from tests.gateway_campaign import Campaign, Sent, locked, out_of_reach
from tests.gateway_stack import Broker, GatewayStack, end, gateway_stack
from tests.scripted_openai import ScriptedOpenAI

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
SOAK = bool(os.environ.get("LMSTRIX_SOAK"))
REQUESTS, KILLS, LOCK_SECONDS, DOWN_SECONDS = (20_000, 60, 30.0, 30.0) if SOAK else (2000, 3, 3.0, 3.0)
CHECKPOINT_SECONDS = 1.0
CAUGHT_UP_SECONDS = 30
RENEWED_SECONDS = 10  # a process that could not read the tables tries again


@dataclass
class Outcome:
    """What clients saw, and what was recorded."""

    sent: list[Sent]
    rows: list[dict[str, Any]]
    forwarded: int
    kills: list[float]
    lock: list[float]  # from and to, monotonic seconds

    def __post_init__(self) -> None:
        self.by_uuid = {row["uuid"]: row for row in self.rows}

    def of(self, *, complete: bool) -> list[Sent]:
        """Requests whose client knows the record's uuid, with or without their last byte."""
        return [one for one in self.sent if one.uuid and one.complete is complete]


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(keep_requests=False) as running:
        yield running


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    upstream: ScriptedOpenAI, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayStack]:
    address = f"redis://127.0.0.1:{broker.port}/0"
    with gateway_stack(tmp_path_factory.mktemp("once"), upstream.url, env={"REDIS_URL": address}) as running:
        running.start_worker()
        yield running


@pytest.fixture(scope="module")
def outcome(gateway: GatewayStack, upstream: ScriptedOpenAI) -> Outcome:
    """The campaign, and the records once they have settled."""
    dice = Random(f"faults {os.getpid()}")
    kills: list[float] = []
    locks: list[float] = []

    def kill_web() -> None:
        time.sleep(dice.uniform(0, 0.2))
        kills.append(time.monotonic())
        gateway.kill()
        gateway.start()

    def kill_worker() -> None:
        end(gateway.others.pop("worker"))
        gateway.start_worker()

    def lock() -> None:
        with locked(gateway.database):
            locks.append(time.monotonic())
            time.sleep(LOCK_SECONDS)
        locks.append(time.monotonic())

    moments = [int(REQUESTS * (n + dice.uniform(0.2, 0.8)) / KILLS) for n in range(KILLS)]
    faults: list[tuple[int, Callable[[], None]]] = [(moment, kill_web) for moment in moments]
    faults += [(moment + REQUESTS // 6, kill_worker) for moment in moments[:: KILLS // 3 + 1]]
    faults.append((moments[1] - 30, lock))  # so the process dies and starts while the database is locked
    campaign = Campaign(gateway, REQUESTS, faults)
    campaign.run(f"exactly once {os.getpid()}")
    known = {one.uuid for one in campaign.sent if one.uuid}
    until = time.monotonic() + CAUGHT_UP_SECONDS
    rows = gateway.settled_rows(upstream.answered, CAUGHT_UP_SECONDS)
    while not known <= {row["uuid"] for row in rows} and time.monotonic() < until:
        time.sleep(0.2)
        rows = gateway.rows()
    return Outcome(campaign.sent, rows, upstream.answered, kills, locks)


def test_nearly_all_requests_came_through_and_every_kind_of_ending_was_there(outcome: Outcome) -> None:
    seen = Counter("complete" if one.complete else "left" if one.left else "cut" for one in outcome.sent)
    assert seen["complete"] > REQUESTS * 0.7, seen
    assert min(seen["left"], seen["cut"]) > 0, seen
    assert all(one.answer and one.answer.status == 200 for one in outcome.sent if one.complete and not one.turned_away)


def test_only_a_process_that_began_under_the_lock_turns_requests_away(outcome: Outcome) -> None:
    begin, end = outcome.lock
    moments = [one.ended for one in outcome.sent if one.turned_away]
    assert all(begin < moment < end + RENEWED_SECONDS for moment in moments)


def test_every_request_whose_last_byte_arrived_has_its_record(outcome: Outcome) -> None:
    complete = [one for one in outcome.sent if one.complete and not one.turned_away]
    assert [one.number for one in complete if one.uuid not in outcome.by_uuid] == []
    told = {one.number: (outcome.by_uuid[one.uuid]["outcome"], *one.tokens) for one in complete}
    rows = {one.number: outcome.by_uuid[one.uuid] for one in complete}
    assert {n: (r["outcome"], r["tokens_in"], r["tokens_out"]) for n, r in rows.items()} == told
    assert {row["outcome"] for row in rows.values()} == {"ok"}


def test_no_request_has_two_records(outcome: Outcome) -> None:
    assert len(outcome.by_uuid) == len(outcome.rows)
    assert outcome.forwarded <= len(outcome.rows) <= len(outcome.sent)


def test_a_stream_that_its_client_left_is_interrupted_with_the_tokens_so_far(outcome: Outcome) -> None:
    left = [one for one in outcome.of(complete=False) if one.left and not near(one.ended, outcome.kills)]
    rows = [(one, outcome.by_uuid[one.uuid]) for one in left]
    wrong = [(one, row) for one, row in rows if not one.words <= row["tokens_out"] <= one.tokens[1]]
    assert not wrong, (len(wrong), wrong[:3])
    interrupted = [one for one, row in rows if row["outcome"] == "interrupted"]
    assert len(interrupted) > len(left) / 3  # the others left when all of it was on its way
    assert all(row["tokens_out"] == one.tokens[1] for one, row in rows if row["outcome"] == "ok")


def test_a_stream_that_a_kill_cut_is_interrupted_with_the_tokens_of_a_second_before(outcome: Outcome) -> None:
    cut = [one for one in outcome.of(complete=False) if not one.left]
    assert [one.number for one in cut if one.uuid not in outcome.by_uuid] == []
    rows = [(one, outcome.by_uuid[one.uuid]["tokens_out"] or 0) for one in cut]
    late = CHECKPOINT_SECONDS + 0.5  # the last checkpoint, and the time until the client knew
    wrong = [(one, tokens) for one, tokens in rows if not one.words_before(late) <= tokens <= one.tokens[1]]
    assert not wrong, (len(wrong), wrong[:3])
    assert any(one.words_before(late) for one, _ in rows)


def test_the_sums_count_every_record_once(outcome: Outcome, gateway: GatewayStack) -> None:
    with closing(sqlite3.connect(f"file:{gateway.database}?mode=ro", uri=True)) as connection:
        sums = "SELECT sum(requests), sum(tokens_out) FROM registry_rollup WHERE scope = 'all' AND period = 'day'"
        found = connection.execute(sums).fetchone()
    assert found == (len(outcome.rows), sum(row["tokens_out"] or 0 for row in outcome.rows))


def test_with_database_valkey_and_worker_down_it_forwards_and_catches_up(
    outcome: Outcome, gateway: GatewayStack, broker: Broker
) -> None:
    before = len(gateway.rows())
    end(gateway.others.pop("worker"))
    told = []
    with broker.gone(), out_of_reach(gateway.database):
        for _ in range(30):
            told.append(ask(gateway))
            time.sleep(DOWN_SECONDS / 30)
    assert [answer.status_code for answer in told] == [200] * 30
    rows = {row["uuid"] for row in gateway.settled_rows(before + 30, CAUGHT_UP_SECONDS)}
    assert {answer.headers["x-lmstrix-request"] for answer in told} <= rows
    assert len(rows) == before + 30


def ask(gateway: GatewayStack) -> httpx.Response:
    body = {"model": "one", "messages": [{"role": "user", "content": "are you there?"}]}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers, timeout=10)


def near(moment: float, kills: list[float]) -> bool:
    """Whether a kill was so close that the end of a stream may have been noted by nobody."""
    return any(abs(moment - kill) < CHECKPOINT_SECONDS + 0.5 for kill in kills)
