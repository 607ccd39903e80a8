"""A real process behind a loopback address: its memory is the server's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from registry import host_memory, memory_use
from tests.builders import make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]

LISTENER = (
    "import socket, sys; b = bytearray(50_000_000); s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
    "print(s.getsockname()[1], flush=True); sys.stdin.readline()"
)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(memory_use, "_listeners", (float("-inf"), {}))
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.communicate("\n", timeout=10)


def test_with_a_limit_of_its_own_the_process_is_measured_against_it(url: str) -> None:
    memory = memory_use.memory_of(make_server(base_url=url, memory_limit_bytes=10**9))
    assert (str(memory.source), memory.total_bytes, memory.whole_host) == ("measured", 10**9, False)
    assert 50_000_000 < (memory.used_bytes or 0) < 100_000_000


def test_without_one_the_whole_machine_is_measured(url: str) -> None:
    memory = memory_use.memory_of(make_server(base_url=url))
    assert (str(memory.source), memory.whole_host) == ("measured", True)
    assert memory.total_bytes == (memory.used_bytes or 0) + (memory.available_bytes or 0)


def test_the_listener_is_known_by_its_port(url: str) -> None:
    process = host_memory.listener(url)
    assert process is not None
    assert not host_memory.is_forwarded(process)
    assert host_memory.listener("http://192.0.2.1:1") is None
