"""An HTTP server for tests whose every byte can be scripted, in a daemon thread on a free loopback port.

A reply is a list (or other iterable) of steps: bytes to send, a number of seconds to wait, `HANG` (silence until the
client goes away) or `RESET` (cut the connection with a TCP reset). The connection closes after the last step. So a
truncated body is a short one, an endless body `itertools.repeat(...)`, a slow one alternates bytes and seconds. A
generator can be played only once: script a callable that makes one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Self


class Ending(Enum):
    """How a reply ends other than by closing the connection."""

    HANG = auto()
    RESET = auto()


HANG, RESET = Ending.HANG, Ending.RESET
Steps = Iterable[bytes | float | Ending]


@dataclass(frozen=True)
class Request:
    """What a client sent; `json` is the decoded body, None where there is none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    line: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", f"{self.method} {self.path.partition('?')[0]}")

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


Reply = dict[str, Any] | bytes | Steps
Handler = Callable[[Request], Reply | None]


def head(status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """The head of an answer; without a Content-Length the body lasts until the connection closes."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(value: Any, status: int = 200, **headers: str) -> bytes:
    """A whole answer: bytes and text as they are, anything else as JSON. `Retry_After="1"` sets a header."""
    data = (
        value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
    )
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    kind = "text/plain" if isinstance(value, str) else "application/json"
    return head(status, {"Content-Type": kind, "Content-Length": str(len(data))} | named) + data


def redirect(target: str, status: int = 302) -> bytes:
    """A redirect to another address."""
    return head(status, {"Location": target, "Content-Length": "0"})


def event(name: str, **data: Any) -> bytes:
    """One server-sent event as LM Studio frames it."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def stream(*events: bytes | float | Ending) -> Steps:
    """An event stream of these events, each a chunk of its own, with waits in between where seconds are given."""
    return [head(200, {"Content-Type": "text/event-stream"}), *events]


class ScriptedServer:
    """Answers each request with what was scripted for its line ("GET /path"), else with `respond`.

        with ScriptedServer() as server:
            server.script("GET /", {"hello": 1})                  # JSON, status 200, for every request
            server.script("GET /", answer("no", 503), [HANG])  # one after another, the last for ever
            server.script("POST /x", lambda request: ...)         # called; None means the default behaviour
            requests.get(server.url)
            assert server.requests[0].line == "GET /"

    Made for twenty at a time: a thread and a socket each, no polling. `open_connections` counts clients that
    are connected right now, `connections` all that ever were.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.tls: ssl.SSLContext | None = None  # set before the start: HTTPS
        self.connections = 0
        self.open_connections = 0
        self.url = ""
        self.port = 0
        self._scripts: dict[str, list[Reply | Handler]] = {}
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="scripted server")

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port and cut every connection; later connects are refused."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._main.cancel)
            self._thread.join(10)

    def script(self, line: str, *replies: Reply | Handler) -> None:
        """Answer requests of this line with these replies in turn, the last one for ever."""
        self._scripts[line] = list(replies)

    def unscript(self, line: str) -> None:
        """Back to the default behaviour."""
        self._scripts.pop(line, None)

    def calls(self, line: str) -> list[Request]:
        """The requests of this line so far."""
        return [request for request in self.requests if request.line == line]

    def respond(self, request: Request) -> Reply:
        """What is answered where nothing is scripted."""
        return answer({"error": "not scripted"}, 404)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._main = self._loop.create_task(self._serve())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._main)
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self._started.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            request = await _read(reader)
            self.requests.append(request)
            await self._play(self._reply(request), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass  # the client went away or did not speak HTTP
        finally:
            self.open_connections -= 1
            writer.close()

    def _reply(self, request: Request) -> Reply:
        replies = self._scripts.get(request.line)
        reply: Any = (replies.pop(0) if len(replies) > 1 else replies[0]) if replies else None
        if callable(reply):
            reply = reply(request)
        return self.respond(request) if reply is None else reply

    async def _play(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        steps: Steps = [answer(reply)] if isinstance(reply, dict) else [reply] if isinstance(reply, bytes) else reply
        gone = asyncio.ensure_future(reader.read())  # ends when the client goes away
        try:
            for step in steps:
                if step is RESET:
                    sock: socket.socket = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                    await asyncio.sleep(0)
                else:
                    await asyncio.wait({gone}, timeout=None if isinstance(step, Ending) else step)
                if gone.done():
                    return
        finally:
            gone.cancel()


async def _read(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)
