"""What a client gets through the gateway is byte for byte what the upstream would have sent it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from tests.gateway_stack import GatewayStack
from tests.generated_streams import Case, case
from tests.raw_client import Answer, RawClient
from tests.scripted_openai import ScriptedOpenAI

CASES = 10_000 if os.environ.get("LMSTRIX_SOAK") else 1000
AT_ONCE = 8


async def ask(port: int, cases: Sequence[Case], headers: dict[str, str]) -> dict[str, Answer]:
    """Sends each case's request, some at once; answers by the case's name."""
    waiting, answers = list(reversed(cases)), {}

    async def client() -> None:
        connection = await RawClient.open(port)
        while waiting:
            wanted = waiting.pop()
            if not connection.is_open:
                connection = await RawClient.open(port)
            answers[wanted.name] = await connection.post(wanted.path, orjson.dumps(wanted.body()), headers)
            await asyncio.sleep(0)  # a connection that was closed after the answer says so now
        connection.close()

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return answers


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [case(number) for number in range(CASES)]


@pytest.fixture(scope="module")
def answers(cases: list[Case], gateway: GatewayStack, running_upstream: ScriptedOpenAI) -> dict[str, Answer]:
    """The answers through the gateway."""
    running_upstream.replies.update({wanted.name: wanted.reply for wanted in cases})
    return asyncio.run(ask(gateway.port, cases, gateway.headers))


@pytest.fixture(scope="module")
def forwarded(answers: dict[str, Answer], running_upstream: ScriptedOpenAI) -> list[dict[str, Any]]:
    """The bodies that the upstream got from the gateway."""
    return [request.json for request in running_upstream.requests if request.method == "POST"]


def test_the_generator_is_right_about_what_is_sent_directly(
    cases: list[Case], forwarded: list[dict[str, Any]], running_upstream: ScriptedOpenAI
) -> None:
    some = cases[:100]
    direct = asyncio.run(ask(running_upstream.port, some, {}))
    assert {c.name: bytes(direct[c.name].body) for c in some} == {c.name: c.sent(bool(c.asked)) for c in some}


def test_every_body_is_byte_for_byte_the_upstreams(cases: list[Case], answers: dict[str, Answer]) -> None:
    wrong = [c for c in cases if bytes(answers[c.name].body) != c.sent(bool(c.asked))]
    assert not wrong, (len(wrong), wrong[0], bytes(answers[wrong[0].name].body))


def test_status_and_content_type_are_the_upstreams(cases: list[Case], answers: dict[str, Answer]) -> None:
    got = {c.name: (answers[c.name].status, answers[c.name].header("content-type")) for c in cases}
    assert got == {c.name: (c.status, c.content_type.decode()) for c in cases}


def test_the_gateway_asks_for_usage_in_every_stream(cases: list[Case], forwarded: list[dict[str, Any]]) -> None:
    streams = [body for body in forwarded if body["stream"]]
    assert len(streams) >= sum(wanted.stream for wanted in cases)
    assert all(body["stream_options"]["include_usage"] is True for body in streams)


def test_recorded_tokens_are_those_that_the_upstream_told(
    cases: list[Case], answers: dict[str, Answer], gateway: GatewayStack
) -> None:
    rows = {row["uuid"]: row for row in gateway.settled_rows(CASES)}
    assert len(rows) == CASES
    told = [c for c in cases if c.status == 200 and (c.usage is not None or not c.stream)]
    found = {c.name: rows[answers[c.name].header("x-lmstrix-request")] for c in told}
    assert {n: (row["tokens_in"], row["tokens_out"]) for n, row in found.items()} == {c.name: c.tokens for c in told}
    assert not any(row["estimated"] for row in found.values())
