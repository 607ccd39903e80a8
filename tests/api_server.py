"""A throw-away web process with a data directory of its own, for tests that speak real HTTP to the API."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
# embedded and alone, whatever the tests around it run on
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "LMSTRIX_SECRET_KEY", "LMSTRIX_PUBLIC_URL", "DJANGO_SETTINGS_MODULE")
TOKEN_ID = 987_654_321  # not one that a test revokes by guessing
PREPARE = f"""
import django
django.setup()
from django.core.management import call_command
from registry.models import ApiToken, Role
call_command("migrate", verbosity=0)
token, secret = ApiToken.issue("test", Role.ADMIN)
ApiToken.objects.filter(pk=token.pk).update(id={TOKEN_ID})
print(secret)
"""


@dataclass
class ApiServer:
    """A running web process; `token` is an admin's."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    log: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def stop(self, seconds: float = 10) -> float:
        """Asks it to end as a supervisor does; gives the seconds that took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)
        return time.monotonic() - began


@contextmanager
def api_server(folder: Path, *, broker: str = "", fill: str = "") -> Iterator[ApiServer]:
    """A web process on a free port with a migrated database in `folder`; `fill` is code that puts rows into it."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    environment |= {"LMSTRIX_DATA_DIR": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    environment |= {"DJANGO_SETTINGS_MODULE": "lmstrix_site.settings", "PYTHONPATH": str(ROOT)}
    environment |= {"REDIS_URL": broker} if broker else {}
    prepare = [sys.executable, "-c", PREPARE + fill]
    done = subprocess.run(prepare, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    token = done.stdout.strip()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "lmstrix_site.asgi:application", "--lifespan", "off", "--no-access-log"]
    command += ["--port", str(port), "--timeout-graceful-shutdown", "2"]
    log = folder / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        running = ApiServer(process, f"http://127.0.0.1:{port}", token, log)
        _wait(running)
        yield running
    finally:
        process.kill()
        process.wait()


def _wait(running: ApiServer, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and running.process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{running.url}/healthz").status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the web process did not start:\n{running.log.read_text()}")
