"""The engine ends when it is told to, and never leaves a child behind."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.engines import PLAIN, Engine, start_engine

pytestmark = pytest.mark.engine


@pytest.fixture
def working(engine_data: Path) -> Iterator[tuple[Engine, psutil.Process]]:
    """An engine in the middle of a long prompt, and its child."""
    engine = start_engine(engine_data)
    with httpx.Client(base_url=engine.url, timeout=30, trust_env=False) as client:
        client.post("/api/v1/models/load", json={"model": PLAIN, "context_length": 4096}).raise_for_status()
        child = psutil.Process(engine.pid).children()[0]
        asked = {"model": PLAIN, "input": "All work and no play. " * 500, "stream": True}
        with client.stream("POST", "/api/v1/chat", json=asked) as response:
            next(response.iter_lines())
            yield engine, child
    engine.stop()


def test_sigterm_ends_the_engine_and_its_children_in_two_seconds(working: tuple[Engine, psutil.Process]) -> None:
    engine, child = working
    began = time.monotonic()
    assert engine.stop() == 0
    assert time.monotonic() - began < 3  # two, and some slack for a busy machine
    assert psutil.wait_procs([child], 1)[1] == []


def test_children_end_when_the_engine_is_killed(working: tuple[Engine, psutil.Process]) -> None:
    engine, child = working
    engine.process.kill()
    engine.process.wait(5)
    assert psutil.wait_procs([child], 3)[1] == []


def test_a_taken_port_is_one_line_and_exit_code_1(shared_engine: Engine) -> None:
    port = shared_engine.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "testing.engine", "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"engine: cannot listen on 127.0.0.1:{port}")
    assert ended.stderr.count("\n") == 1
