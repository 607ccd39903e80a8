"""A server that crashed is looked at before it is asked again: it may have nothing in memory of what was known."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import httpx
import orjson
import pytest
from django.db import DatabaseError

from registry import polling
from registry.gateway import upstream
from registry.models import Instance, LanguageModel
from tests.builders import make_server
from tests.gateways import RunningGateway, make_loaded, records, running_gateway
from tests.scripted_openai import ScriptedOpenAI

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

REFUSED = "Server shelf does not answer (connection refused)."


@pytest.fixture
def model() -> LanguageModel:
    """A model that is known to be loaded on a server that is not there yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = make_server(name="shelf", base_url=f"http://127.0.0.1:{free.getsockname()[1]}")
    return make_loaded("one", server=server, tested_context=4096, test_status="tested")


@pytest.fixture
def gateway(tmp_path: Path, model: LanguageModel) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path) as running:
        yield running


def started(model: LanguageModel, *, loaded: bool) -> ScriptedOpenAI:
    """Its server, with or without the model in memory."""
    assert model.server is not None
    server = ScriptedOpenAI(["one"], port=int(model.server.base_url.rpartition(":")[2]))
    server.loaded = ["one"] if loaded else []
    return server


def loads(server: ScriptedOpenAI) -> list[int]:
    """The contexts that were asked for in loads."""
    bodies = [orjson.loads(each.body) for each in server.requests if each.path == "/api/v1/models/load"]
    return [body["context_length"] for body in bodies]


def test_a_server_that_does_not_answer_is_named_and_can_be_asked_again(gateway: RunningGateway) -> None:
    for _ in range(2):
        answer = gateway.ask()
        assert (answer.status_code, answer.json()["error"]["message"]) == (502, REFUSED)
        assert answer.headers["retry-after"] == "5"
    assert {record.error for record in records(2)} == {REFUSED}


def test_after_a_crash_the_model_is_loaded_with_its_tested_context(
    gateway: RunningGateway, model: LanguageModel
) -> None:
    with started(model, loaded=True):
        assert gateway.ask().status_code == 200
    assert gateway.ask().status_code == 502
    with started(model, loaded=False) as again:
        assert gateway.ask().status_code == 200
        assert loads(again) == [4096]
    assert Instance.objects.get().loaded_by == "gateway"


def test_after_an_answer_that_broke_off_the_server_is_looked_at_too(
    gateway: RunningGateway, model: LanguageModel
) -> None:
    with started(model, loaded=True) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            gateway.ask('{"tokens": 3, "ending": "reset"}', stream=True)
        server.loaded.clear()
        assert gateway.ask().status_code == 200
        assert loads(server) == [4096]


def test_twenty_that_ask_after_a_silence_look_once(gateway: RunningGateway, model: LanguageModel) -> None:
    assert gateway.ask().status_code == 502
    with started(model, loaded=True) as server:
        with ThreadPoolExecutor(20) as pool:
            assert {answer.status_code for answer in pool.map(lambda _: gateway.ask(), range(20))} == {200}
        assert [each.path for each in server.requests].count("/api/v1/models") == 1
        gateway.ask()
        assert [each.path for each in server.requests].count("/api/v1/models") == 1


def test_while_the_database_is_down_what_is_known_has_to_do(
    gateway: RunningGateway, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise DatabaseError("down")

    assert gateway.ask().status_code == 502
    with started(model, loaded=True) as server, monkeypatch.context() as patch:
        patch.setattr(polling, "look", down)
        assert gateway.ask().status_code == 200
        patch.undo()
        assert gateway.ask().status_code == 200
        assert [each.path for each in server.requests].count("/api/v1/models") == 1


def test_a_server_that_was_silent_for_others_is_looked_at_first(gateway: RunningGateway, model: LanguageModel) -> None:
    assert model.server is not None
    type(model.server).objects.update(reachable=False)
    with started(model, loaded=False) as server:
        assert gateway.ask().status_code == 200
        assert loads(server) == [4096]


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "[Connect call failed ('10.0.0.1', 1)]"), "connection refused"),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to host"),
        (socket.gaierror(-2, "x"), "its name is not known"),
        (ssl.SSLError(1, "x"), "no secure connection can be made"),
        (upstream.ForbiddenAddress("169.254.1.1 is x"), "LMStrix does not connect to such an address"),
        (aiohttp.ConnectionTimeoutError("x"), "it was silent for too long"),
        (aiohttp.InvalidURL("x"), "its address cannot be read"),
        (RuntimeError("x"), "no connection can be made"),
    ],
)
def test_why_no_connection_was_made_is_said_in_words(cause: Exception, told: str) -> None:
    error = aiohttp.ClientOSError(1, "ssl:default")
    error.__cause__ = cause
    assert str(upstream.unreached(error)) == told
