"""Requests go through the gateway to a server and back, and each is noted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.models import ApiToken, KeptExchange, Role
from tests.gateways import CHAT, RunningGateway, make_loaded, records, running_gateway
from tests.scripted_openai import Script, ScriptedOpenAI

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def upstream() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(["one"]) as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, upstream: ScriptedOpenAI) -> Iterator[RunningGateway]:
    make_loaded("one", url=upstream.url)
    with running_gateway(tmp_path) as running:
        yield running


def direct(upstream: ScriptedOpenAI, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(upstream.url + CHAT, json=body)


def test_an_answer_is_the_servers_byte_for_byte(gateway: RunningGateway, upstream: ScriptedOpenAI) -> None:
    body = {"model": "one", "messages": [{"role": "user", "content": "hello"}]}
    assert gateway.ask("hello").content == direct(upstream, body).content


def test_a_stream_is_the_servers_byte_for_byte(gateway: RunningGateway, upstream: ScriptedOpenAI) -> None:
    body = {"model": "one", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    answer = gateway.ask("hello", stream=True)
    assert answer.content == direct(upstream, body).content
    assert b'"usage"' not in answer.content


def test_a_request_is_recorded_with_the_tokens_that_were_told(gateway: RunningGateway) -> None:
    gateway.ask("hello")
    (record,) = records()
    assert (record.outcome, record.status, record.endpoint, record.stream) == ("ok", 200, "chat", False)
    assert record.tokens_out == 8
    assert not record.estimated
    assert record.duration_us
    assert record.overhead_us
    assert 0 < record.overhead_us <= record.duration_us


def test_a_stream_is_recorded_with_its_time_to_the_first_token(gateway: RunningGateway) -> None:
    gateway.ask('{"tokens": 5, "first_ms": 30}', stream=True)
    (record,) = records()
    assert (record.outcome, record.tokens_out, record.estimated) == ("ok", 5, False)
    assert record.ttft_us is not None
    assert record.ttft_us >= 30_000


def test_an_answer_says_who_gave_it_and_what_it_cost(gateway: RunningGateway) -> None:
    for stream in (False, True):
        headers = gateway.ask("hello", stream=stream).headers
        assert headers["x-lmstrix-model"] == "one"
        assert headers["x-lmstrix-server"].startswith("server-")
        assert 0 < float(headers["x-lmstrix-overhead-ms"]) < 1000


def test_a_server_that_refuses_to_tell_usage_is_asked_without(
    gateway: RunningGateway, upstream: ScriptedOpenAI
) -> None:
    upstream.refuses_usage = True
    for _ in range(2):
        assert gateway.ask("hello", stream=True).status_code == 200
    first, second = records(2)
    assert (first.tokens_out, first.estimated) == (8, True)
    assert second.tokens_in == round((5 + 16) / 4)
    assert len([each for each in upstream.requests if each.path == CHAT]) == 3  # refused once


def test_an_error_of_the_server_is_passed_on_and_recorded(gateway: RunningGateway) -> None:
    answer = gateway.ask('{"status": 500}')
    assert answer.status_code == 500
    (record,) = records()
    assert (record.outcome, record.status, record.tokens_out) == ("error", 500, None)
    assert record.error == "scripted failure"


def test_a_server_that_breaks_off_breaks_the_answer_off(gateway: RunningGateway) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.ask('{"tokens": 3, "ending": "reset"}', stream=True)
    (record,) = records()
    assert record.outcome == "error"
    assert record.error == "The server broke off its answer."


def test_the_models_are_listed_and_one_is_shown(gateway: RunningGateway) -> None:
    listed = gateway.client.get(f"{gateway.url}/v1/models", headers=gateway.headers).json()
    assert [each["id"] for each in listed["data"]] == ["one"]
    assert gateway.client.get(f"{gateway.url}/v1/models/one", headers=gateway.headers).json()["object"] == "model"
    assert gateway.client.get(f"{gateway.url}/v1/models/two", headers=gateway.headers).status_code == 404


def test_other_paths_go_to_the_app_behind(gateway: RunningGateway) -> None:
    assert httpx.get(f"{gateway.url}/models/").text == "behind"


def test_prompts_are_not_kept_unless_the_token_says_so(gateway: RunningGateway, upstream: ScriptedOpenAI) -> None:
    gateway.ask("secret things")
    token, gateway.secret = ApiToken.issue("keeper", Role.OPERATOR)
    ApiToken.objects.filter(pk=token.pk).update(keep_content=True, keep_days=3)
    upstream.default = Script(tokens=2)
    gateway.ask("open things", stream=True)
    records(2)
    kept = KeptExchange.objects.get()
    assert "open things" in kept.request
    assert kept.answer.strip()
    assert kept.token_id == token.pk
