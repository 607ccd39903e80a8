"""Event streams, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from django.test import Client

from lmstrix_site import events
from registry import announcing
from registry.models import Role
from tests.api_server import ApiServer, api_server
from tests.brokers import client_of, running_broker
from tests.builders import make_user

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with running_broker() as url:
        yield url


@pytest.fixture(scope="module")
def web(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("web"), broker=broker) as running:
        yield running


def announce(broker: str, kind: str, number: int) -> None:
    with client_of(broker) as client:
        client.publish(announcing.CHANNEL, json.dumps({"kind": kind, "id": number}))


def heard(broker: str) -> None:
    """Waits until the web process listens to the broker."""
    with client_of(broker) as client:
        while client.pubsub_numsub(announcing.CHANNEL)[0][1] == 0:
            time.sleep(0.02)


def test_a_program_hears_of_a_job_at_once(web: ApiServer, broker: str) -> None:
    with httpx.stream("GET", f"{web.url}/api/events", headers=web.headers, timeout=10) as stream:
        lines = stream.iter_lines()
        assert [next(lines) for _ in range(5)] == ["retry: 2000", "", "event: tick", "data: {}", ""]
        heard(broker)
        announce(broker, "server", 1)
        announce(broker, "job", 7)
        told = [line for line in (next(lines) for _ in range(6)) if line and "tick" not in line and line != "data: {}"]
    assert told == ["event: job", 'data: {"id": 7}']
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-cache, no-store"


def test_a_stream_needs_credentials(web: ApiServer) -> None:
    assert httpx.get(f"{web.url}/api/events").status_code == 401
    assert httpx.get(f"{web.url}/events").status_code == 401


@pytest.mark.django_db
def test_a_signed_in_person_may_listen(client: Client) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    answer = client.get("/events")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream; charset=utf-8")


def test_open_streams_hold_no_database_file_and_are_forgotten_when_clients_go(web: ApiServer) -> None:
    process = psutil.Process(web.process.pid)

    def open_files() -> int:
        return sum("lmstrix.sqlite3" in file.path for file in process.open_files())

    before = open_files()
    with httpx.Client(headers=web.headers, timeout=10) as client:
        streams = [client.send(client.build_request("GET", f"{web.url}/api/events"), stream=True) for _ in range(20)]
        assert [next(stream.iter_lines()) for stream in streams] == ["retry: 2000"] * 20
        assert open_files() <= before + 1
    until = time.monotonic() + 5
    while len(process.net_connections()) > 4 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(process.net_connections()) <= 4


def test_an_open_stream_does_not_hold_up_the_end_of_the_process(broker: str, tmp_path: Path) -> None:
    with (
        api_server(tmp_path, broker=broker) as web,
        httpx.stream("GET", f"{web.url}/api/events", headers=web.headers, timeout=10) as stream,
    ):
        next(stream.iter_lines())
        assert web.stop() < 4
        assert "Traceback" not in web.log.read_text()


def test_a_stream_ticks_and_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(events, "LIFE_SECONDS", 0.3)

    async def scene() -> list[bytes]:
        return [part async for part in events.told(events.PAGE_KINDS)]

    told = asyncio.run(scene())
    assert 3 <= len(told) <= 8
    assert set(told[1:]) == {b"event: tick\ndata: {}\n\n"}
