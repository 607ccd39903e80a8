"""Memory of a server on this host."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from registry.host_memory import serving_process
from testing.measuring import MemoryWatch

LISTENER = (
    "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
    "print(s.getsockname()[1], flush=True); sys.stdin.readline(); b = bytearray(60_000_000);"
    "print('grown', flush=True); sys.stdin.readline()"
)


@pytest.fixture
def listener() -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process, f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.communicate("\n\n", timeout=10)


def test_the_process_behind_a_loopback_port_is_found(listener: tuple[subprocess.Popen[str], str]) -> None:
    found = serving_process(listener[1])
    assert found is not None
    assert found.pid == listener[0].pid


def test_growth_above_idle_is_the_peak(listener: tuple[subprocess.Popen[str], str]) -> None:
    process, url = listener
    watch = MemoryWatch(url)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    watch.look()
    assert watch.peak_bytes is not None
    assert 55_000_000 < watch.peak_bytes < 80_000_000


@pytest.mark.parametrize("url", ["http://192.0.2.1:1234", "http://studio.example:1234"])
def test_another_host_cannot_be_measured(url: str) -> None:
    watch = MemoryWatch(url)
    watch.look()
    assert watch.peak_bytes is None


def test_this_process_is_never_taken_for_the_server() -> None:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        own.listen()
        assert serving_process(f"http://127.0.0.1:{own.getsockname()[1]}") is None
