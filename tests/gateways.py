"""A gateway in this process, on a free port, before an upstream that is scripted."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from registry.gateway.app import Gateway
from registry.gateway.process import Process
from registry.models import ApiToken, InferenceRecord, Instance, LanguageModel, Role, Server
from tests.builders import make_model, make_server

CHAT = "/v1/chat/completions"


async def nothing_behind(scope: Any, receive: Any, send: Any) -> None:
    """What stands for Django."""
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b"behind"})


@dataclass
class RunningGateway:
    """A gateway that answers at `url`; `secret` is the token that `ask` sends."""

    url: str
    process: Process
    secret: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    def ask(
        self, prompt: str = "hello", *, model: str = "one", path: str = CHAT, headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:  # fmt: skip
        """One request for a chat."""
        body = {"model": model, "messages": [{"role": "user", "content": prompt}]} | fields
        return self.client.post(self.url + path, json=body, headers=headers or self.headers)


@contextmanager
def running_gateway(folder: Path, *, secret: str | None = None) -> Iterator[RunningGateway]:
    """A gateway with its spool in `folder`; everything of it has ended afterwards. Needs a transactional database."""
    process = Process(folder)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        Gateway(nothing_behind, process), lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    if secret is None:
        secret = ApiToken.issue("test", Role.OPERATOR)[1]
    running = RunningGateway(f"http://127.0.0.1:{listener.getsockname()[1]}", process, secret)
    try:
        yield running
    finally:
        running.client.close()
        server.should_exit = True
        thread.join(10)
        process.stop()
        listener.close()


def make_loaded(key: str = "one", *, server: Server | None = None, url: str = "", **fields: Any) -> LanguageModel:
    """A model with one loaded copy on `server`, or on a new one at `url`."""
    model = make_model(key=key, server=server or make_server(base_url=url), state="loaded", **fields)
    assert model.server is not None
    Instance.objects.create(model=model, server=model.server, instance_id=key, context_length=8192)
    return model


def records(count: int = 1, *, seconds: float = 5) -> list[InferenceRecord]:
    """The records, once there are so many."""
    until = time.monotonic() + seconds
    while InferenceRecord.objects.count() < count and time.monotonic() < until:
        time.sleep(0.02)
    return list(InferenceRecord.objects.order_by("pk"))
