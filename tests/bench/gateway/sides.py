"""The three sides of the comparison, each a process of its own in front of the same upstream."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.bench.gateway.load import Side
from tests.gateway_stack import ROOT, Broker, GatewayStack, gateway_stack

LITELLM_SECONDS = 90


@dataclass(frozen=True)
class Sides:
    """What runs: the sides to ask, our gateway's process, and how heavy LiteLLM's is (None: not installed)."""

    all: list[Side]
    gateway: GatewayStack
    litellm_pid: int | None

    @property
    def direct(self) -> Side:
        return self.all[0]

    @property
    def ours(self) -> Side:
        return self.all[1]

    @property
    def others(self) -> list[Side]:
        return self.all[1:]

    def session(self) -> str:
        """The session cookie of somebody who has signed in."""
        code = "from tests.bench.gateway.sides import signed_in; signed_in()"
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup(); {code}"],
            env=self.gateway.environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def litellm_memory(self) -> int | None:
        """Resident bytes of LiteLLM with its children."""
        if self.litellm_pid is None:
            return None
        process = psutil.Process(self.litellm_pid)
        return int(sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]))


@contextmanager
def running_sides() -> Iterator[Sides]:
    """Starts the upstream, our gateway (recording, with a broker) and LiteLLM where LITELLM_VENV names it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lmx-gateway-bench-")))
        port = stack.enter_context(_upstream())
        broker = stack.enter_context(Broker())
        address = f"http://127.0.0.1:{port}"
        gateway = stack.enter_context(gateway_stack(folder, address, env={"REDIS_URL": broker.url}))
        sides = [Side("direct", port), Side("lmstrix", gateway.port, headers=gateway.headers)]
        pid = None
        if program := litellm():
            side, pid = stack.enter_context(_litellm(program, address, folder))
            sides.append(side)
        yield Sides(sides, gateway, pid)


def signed_in() -> None:
    """Prints the session cookie of a new admin (in a process of its own, on the gateway's database)."""
    from django.conf import settings
    from django.test import Client

    from tests.builders import make_user

    client = Client(headers={"host": "localhost"})
    client.force_login(make_user())
    print(f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}")  # noqa: T201


def litellm() -> Path | None:
    """LiteLLM's program in the environment that LITELLM_VENV names."""
    venv = os.environ.get("LITELLM_VENV", "")
    program = Path(venv) / "bin" / "litellm"
    return program if venv and program.exists() else None


@contextmanager
def _upstream() -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.scripted_openai"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


@contextmanager
def _litellm(program: Path, upstream: str, folder: Path) -> Iterator[tuple[Side, int]]:
    """LiteLLM's proxy with one worker, without its database, callbacks and retries."""
    key = f"sk-{secrets.token_hex(16)}"
    parameters = {"model": "openai/one", "api_base": f"{upstream}/v1", "api_key": "x"}
    settings = {
        "model_list": [{"model_name": "one", "litellm_params": parameters}],
        "general_settings": {"master_key": key},
        "litellm_settings": {"callbacks": [], "num_retries": 0},
    }
    (folder / "litellm.json").write_text(json.dumps(settings))  # JSON is YAML
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    quiet = {"NO_DOCS": "True", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(program), "--config", str(folder / "litellm.json"), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **quiet}, stdout=log, stderr=log)
    try:
        _wait(process, port, folder / "litellm.log")
        yield Side("litellm", port, headers={"Authorization": f"Bearer {key}"}), process.pid
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + LITELLM_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/health/liveliness", timeout=5).status_code == 200:
                return
        time.sleep(0.5)
    raise RuntimeError(f"LiteLLM did not start:\n{log.read_text(errors='replace')[-3000:]}")
