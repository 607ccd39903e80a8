"""The parts of the supervisor on their own: back-off, leftovers, checks, watchdog."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pytest_django.fixtures import Settings

from lmstrix_site.console import take_settings
from lmstrix_site.supervisor import checks, health, leftovers, plan
from lmstrix_site.supervisor.child import PAUSES, STEADY_SECONDS, Child
from registry.models import Pulse, Role, User

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def make_child(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    made: list[Child] = []

    def make(*command: str) -> Child:
        made.append(Child("worker", command, tmp_path / "logs" / "worker.log", dict(os.environ), tmp_path))
        return made[-1]

    yield make
    for child in made:
        if child.process is not None:
            child.process.kill()
            child.process.wait()


def end_of(child: Child, said: list[str]) -> None:
    """Starts `child` and looks after it until it has ended once more."""
    child.start()
    assert child.process is not None
    child.process.wait()
    child.look_after(said.append)


def test_each_end_in_a_row_waits_longer_and_says_so(make_child: Callable[..., Child]) -> None:
    child = make_child(sys.executable, "-c", "raise SystemExit(1)")
    said: list[str] = []
    for _ in range(3):
        end_of(child, said)
    assert [line.rpartition("again in ")[2] for line in said] == [f"{pause:g} s" for pause in PAUSES[:3]]
    assert said[0].startswith(f"worker ended with code 1 (see {child.log})")


def test_who_ran_for_long_starts_again_at_once(make_child: Callable[..., Child]) -> None:
    child = make_child("true")
    said: list[str] = []
    child.failures = 5
    child.start()
    assert child.process is not None
    child.process.wait()
    child.started_at = time.monotonic() - STEADY_SECONDS - 1
    child.look_after(said.append)
    assert said[0].endswith(f"in {PAUSES[0]:g} s")


def test_the_pause_never_grows_beyond_the_last(make_child: Callable[..., Child]) -> None:
    child = make_child("false")
    said: list[str] = []
    child.failures = 100
    end_of(child, said)
    assert said[0].endswith(f"in {PAUSES[-1]:g} s")


def test_a_large_log_is_set_aside_at_the_start(
    make_child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmstrix_site.supervisor.child.LARGEST_LOG", 10)
    child = make_child("true")
    child.log.parent.mkdir()
    child.log.write_text("x" * 11)
    child.start()
    assert child.log.with_suffix(".log.1").read_text() == "x" * 11


def test_leftovers_of_a_run_that_died_are_ended_and_nothing_else(tmp_path: Path) -> None:
    ours = subprocess.Popen(SLEEP, env={**os.environ, leftovers.MARK: "a-run"})
    other = subprocess.Popen(SLEEP)
    try:
        leftovers.record(tmp_path, "a-run", {})
        assert leftovers.clear(tmp_path) == 1
        assert not psutil.pid_exists(ours.pid)
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_a_process_number_that_was_given_away_since_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(SLEEP)
    try:
        leftovers.record(tmp_path, "a-run", {"web": other.pid})
        record = tmp_path / leftovers.RECORD_FILE
        created = str(psutil.Process(other.pid).create_time())
        record.write_text(record.read_text().replace(created, "1.0"))
        assert leftovers.clear(tmp_path) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"mark": "x", "children": {"web": 5}}'])
def test_a_damaged_record_stops_no_start(tmp_path: Path, content: str) -> None:
    (tmp_path / leftovers.RECORD_FILE).write_text(content)
    assert leftovers.clear(tmp_path) == 0


def test_a_data_directory_is_held_by_one(tmp_path: Path) -> None:
    with leftovers.only_one(tmp_path), pytest.raises(leftovers.AlreadyRunning), leftovers.only_one(tmp_path):
        pass
    with leftovers.only_one(tmp_path):
        pass


@pytest.mark.parametrize(
    "arguments", [["--port", "81", "--data-dir", "/d"], ["--port=81", "--data-dir=/d"], ["--no-browser", "--port=81"]]
)
def test_options_of_up_reach_the_settings(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMSTRIX_PORT", "80")
    monkeypatch.setenv("LMSTRIX_DATA_DIR", "/d")
    take_settings(arguments)
    assert (os.environ["LMSTRIX_PORT"], os.environ["LMSTRIX_DATA_DIR"]) == ("81", "/d")


def test_a_host_on_the_network_needs_allowed_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LMSTRIX_ALLOWED_HOSTS", raising=False)
    checks.check_hosts("127.0.0.1")
    with pytest.raises(checks.Refusal, match="LMSTRIX_ALLOWED_HOSTS"):
        checks.check_hosts("0.0.0.0")  # noqa: S104


@pytest.mark.django_db
@pytest.mark.database
def test_a_host_on_the_network_needs_an_admin_with_a_password() -> None:
    admin = User.objects.create(username="root", role=Role.ADMIN, password="!")
    with pytest.raises(checks.Refusal, match="changepassword"):
        checks.check_password("192.0.2.1")
    admin.set_password("correct horse")
    admin.save()
    checks.check_password("192.0.2.1")


def test_the_port_of_the_engine_stays_while_it_is_free(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    port = plan.engine_port()
    assert plan.engine_port() == port
    with socket.create_server(("127.0.0.1", port)):
        assert plan.engine_port() != port


def test_nobody_takes_a_silent_port_for_a_lm_studio() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not checks.lm_studio_answers(f"http://127.0.0.1:{silent.getsockname()[1]}", "")


@pytest.fixture
def asked() -> list[str]:
    """The processes that the watchdog wants to have started again."""
    return []


@pytest.fixture
def watchdog(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> health.Watchdog:
    monkeypatch.setattr(health, "broker_answers", lambda: True)
    return health.Watchdog("http://127.0.0.1:9", threading.Event(), lambda name, reason: asked.append(name))


def test_a_web_process_that_fails_three_times_is_started_again(watchdog: health.Watchdog, asked: list[str]) -> None:
    for _ in range(4):
        watchdog.look_at_web()
    assert asked == ["web"]


@pytest.mark.django_db
@pytest.mark.database
def test_a_worker_whose_pulse_stands_still_is_started_again(watchdog: health.Watchdog, asked: list[str]) -> None:
    Pulse.objects.beat("worker")
    watchdog.look_at_worker()
    assert asked == []
    watchdog.changed_at -= 1000
    watchdog.look_at_worker()
    assert asked == ["beat", "worker"]


@pytest.mark.django_db
@pytest.mark.database
def test_a_worker_without_a_broker_is_left_alone(
    watchdog: health.Watchdog, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "broker_answers", lambda: False)
    watchdog.changed_at -= 1000
    watchdog.look_at_worker()
    assert asked == []
