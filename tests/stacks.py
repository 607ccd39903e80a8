"""A whole LMStrix, started by `lmstrix up` in a data directory of its own, for tests that kill parts of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from lmstrix_site.supervisor.leftovers import RECORD_FILE, marked

ROOT = Path(__file__).resolve().parent.parent
READY = "LMStrix is ready: "
# a stack is embedded whatever the tests around it run on
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "LMSTRIX_SECRET_KEY", "LMSTRIX_PUBLIC_URL", "LMSTUDIO_BASE_URL")


@dataclass
class Stack:
    """A running `up`: its address, its processes, what it has printed."""

    process: subprocess.Popen[str]
    data_dir: Path
    environment: dict[str, str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=_read, args=(self,), daemon=True)

    @property
    def is_ready(self) -> bool:
        return any(line.startswith(READY) for line in self.lines)

    @property
    def login_url(self) -> str:
        """The one-time link of the ready line."""
        return next(line for line in self.lines if line.startswith(READY)).removeprefix(READY)

    @property
    def url(self) -> str:
        return self.login_url.partition("/login/")[0]

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name: valkey, engine, web, worker, beat (those that were started)."""
        return {name: child["pid"] for name, child in self._record()["children"].items()}

    @property
    def mark(self) -> str:
        return str(self._record()["mark"])

    def processes(self) -> list[psutil.Process]:
        """Everything that this `up` has started, down to the engine's instances."""
        return marked(self.mark)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Kills a process by name and gives the id it had."""
        pid = self.pids[name]
        os.kill(pid, number)
        return pid

    def until_back(self, name: str, old_pid: int, seconds: float = 15.0) -> int:
        """Waits until the process runs again under another id, and gives that."""
        until(lambda: self.pids.get(name, old_pid) != old_pid, seconds, f"{name} was not started again")
        return self.pids[name]

    def command(self, *arguments: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Runs `lmstrix ARGUMENTS` on the same data directory."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip

    def browser(self) -> httpx.Client:
        """A client that has signed in with a fresh link."""
        client = httpx.Client(base_url=self.url, follow_redirects=True, timeout=20)
        client.get(self.command("login").stdout.strip())
        return client

    def api(self, role: str = "admin") -> httpx.Client:
        """A client of the REST API with a fresh token."""
        secret = self.command("token", "create", "test", "--role", role).stdout.strip()
        return httpx.Client(base_url=f"{self.url}/api", headers={"Authorization": f"Bearer {secret}"}, timeout=20)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 15.0) -> float:
        """Ends `up` and gives how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(seconds)
        return time.monotonic() - began

    def text(self) -> str:
        """What `up` has printed so far (all of it once it has ended)."""
        if self.process.poll() is not None:
            self.reader.join(5)
        return "\n".join(self.lines)

    def log(self, name: str) -> str:
        return (self.data_dir / "logs" / f"{name}.log").read_text(errors="replace")

    def _record(self) -> dict[str, dict[str, dict[str, int]]]:
        record: dict[str, dict[str, dict[str, int]]] = json.loads((self.data_dir / RECORD_FILE).read_text())
        return record


@contextmanager
def running_stack(
    data_dir: Path,
    *,
    engine: str = "on",
    budget_mb: int = 512,
    env: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> Iterator[Stack]:
    """Starts `up` on a free port, waits for its ready line, and leaves nothing behind."""
    stack = launch(data_dir, "--engine", engine, "--budget-mb", str(budget_mb), "--port", "0", env=env)
    mark = ""
    try:
        until(lambda: stack.is_ready or stack.process.poll() is not None, seconds, "no ready line")
        assert stack.is_ready, f"up ended with {stack.process.poll()}: {stack.lines}"
        mark = stack.mark
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.stop()
        for process in marked(mark) if mark else []:
            process.kill()


def launch(data_dir: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Stack:
    """Starts `lmstrix up --no-browser ARGUMENTS` without waiting for anything."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    environment = {**inherited, "LMSTRIX_DATA_DIR": str(data_dir), **(env or {})}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "up", "--no-browser", "--data-dir", str(data_dir), *arguments],
        env=environment, cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    stack = Stack(process, data_dir, environment)
    stack.reader.start()
    return stack


def until(condition: Callable[[], object], seconds: float, failure: str) -> None:
    """Waits for a condition, looking ten times a second."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(0.1)


def _read(stack: Stack) -> None:
    assert stack.process.stdout is not None
    with stack.process.stdout as output:
        for line in output:
            stack.lines.append(line.rstrip("\n"))
