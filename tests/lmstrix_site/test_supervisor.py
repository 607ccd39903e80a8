"""A real `lmstrix up`: what dies comes back, what ends leaves nothing behind."""

import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from lmstrix_site.supervisor.leftovers import marked
from lmstrix_site.supervisor.plan import ENGINE_PORT_FILE
from tests.stacks import Stack, launch, running_stack, until

FAST = {"LMSTRIX_HEARTBEAT_SECONDS": "1", "LMSTRIX_STALE_SECONDS": "3", "LMSTRIX_RECONCILE_SECONDS": "1"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("up"), env=FAST) as stack:
        yield stack


def test_the_link_of_the_ready_line_signs_in_once(stack: Stack) -> None:
    with httpx.Client(follow_redirects=False) as browser:
        assert "lmstrix_session" in browser.get(stack.login_url).headers.get("set-cookie", "")
    assert "lmstrix_session" not in httpx.get(stack.login_url).headers.get("set-cookie", "")


def test_the_key_of_a_login_link_is_in_no_log(stack: Stack) -> None:
    key = stack.login_url.partition("key=")[2]
    httpx.get(stack.login_url)
    assert not [log for log in (stack.data_dir / "logs").iterdir() if key in log.read_text()]


def test_login_prints_a_link_to_the_port_that_is_used(stack: Stack) -> None:
    assert stack.command("login").stdout.startswith(f"{stack.url}/login/?key=")


def test_a_second_up_says_who_holds_the_data_directory_and_ends(stack: Stack) -> None:
    second = launch(stack.data_dir, "--engine", "off", "--port", "0")
    assert second.process.wait(20) == 2
    assert f"(process {stack.process.pid})" in second.text()
    assert len(second.text().splitlines()) == 1


@pytest.mark.parametrize("name", ["web", "worker", "beat", "valkey", "engine"])
def test_a_killed_process_comes_back_and_one_line_says_so(stack: Stack, name: str) -> None:
    old = stack.kill(name)
    stack.until_back(name, old)
    until(lambda: f"{name} was ended by SIGKILL" in stack.text(), 5, "nothing was said")
    assert httpx.get(f"{stack.url}/login/", timeout=15).status_code == 200


def test_the_engine_comes_back_at_its_address_without_its_old_instances(stack: Stack) -> None:
    load_a_model(stack)
    instances = {process.pid for process in stack.processes()} - set(stack.pids.values())
    stack.until_back("engine", stack.kill("engine"))
    until(lambda: engine_answers(stack), 15, "the engine does not answer at its old address")
    assert instances
    assert not instances & {process.pid for process in stack.processes()}


def test_the_worker_works_again_after_the_broker_was_killed(stack: Stack) -> None:
    stack.until_back("valkey", stack.kill("valkey"))
    for _ in range(2):  # the first may have been on its way already
        seen = _worker_seen(stack)
        until(lambda: _worker_seen(stack) != seen, 20, "the worker gets no more tasks")  # noqa: B023


def _worker_seen(stack: Stack) -> str:
    """When the worker did its tick last, by the database."""
    with closing(sqlite3.connect(stack.data_dir / "lmstrix.sqlite3", timeout=20)) as database:
        (seen,) = database.execute("SELECT seen FROM registry_pulse WHERE name = 'worker'").fetchone()
        return str(seen)


def test_a_port_in_use_is_one_line_that_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = launch(tmp_path, "--port", str(port), "--engine", "off")
        assert refused.process.wait(20) == 1
    assert f"Port {port} on 127.0.0.1 is in use" in refused.text()
    assert len(refused.text().splitlines()) == 1


def test_sigterm_ends_everything_within_ten_seconds(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        load_a_model(stack)
        mark = stack.mark
        assert len(stack.processes()) > len(stack.pids)
        assert stack.stop() < 10
    assert stack.process.returncode == 0
    assert marked(mark) == []


def test_nothing_outlives_a_killed_up_and_the_next_one_starts(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        load_a_model(stack)
        mark = stack.mark
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait()
        until(lambda: marked(mark) == [], 5, "processes are left")
    with running_stack(tmp_path, engine="off") as again:
        assert again.stop() < 10


def load_a_model(stack: Stack) -> None:
    until(lambda: engine_answers(stack), 15, "the engine does not answer")
    asked = {"model": "smollm2-135m-instruct", "context_length": 512}
    httpx.post(f"{engine_url(stack)}/api/v1/models/load", json=asked, timeout=60).raise_for_status()


def engine_url(stack: Stack) -> str:
    return f"http://127.0.0.1:{(stack.data_dir / ENGINE_PORT_FILE).read_text().strip()}"


def engine_answers(stack: Stack) -> bool:
    try:
        return httpx.get(f"{engine_url(stack)}/api/v1/models", timeout=2).is_success
    except httpx.HTTPError:
        return False
