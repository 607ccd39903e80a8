"""The engine's ASGI application: routes, the token, errors in LM Studio's shapes, clients that go away."""

import asyncio
import contextlib
import hmac
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs
import uvicorn

from testing.engine import native, native_chat, openai, v0
from testing.engine.catalog import find_models, paths_from_environment
from testing.engine.errors import EngineError, invalid
from testing.engine.instances import Pool
from testing.engine.requests import LARGEST_BODY, Answer, Request, Stream

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Route = Callable[[Pool, Request], Awaitable[Answer | Stream]]

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/v1/models"): native.list_models,
    ("POST", "/api/v1/models/load"): native.load,
    ("POST", "/api/v1/models/unload"): native.unload,
    ("POST", "/api/v1/chat"): native_chat.chat,
    ("GET", "/api/v0/models"): v0.list_models,
    ("POST", "/api/v0/chat/completions"): v0.chat_completions,
    ("POST", "/api/v0/completions"): v0.completions,
    ("POST", "/api/v0/embeddings"): v0.embeddings,
    ("GET", "/v1/models"): openai.list_models,
    ("POST", "/v1/chat/completions"): openai.chat_completions,
    ("POST", "/v1/completions"): openai.completions,
    ("POST", "/v1/embeddings"): openai.embeddings,
}


class _ClientLeft(Exception):
    """The client closed the connection."""


class Application:
    """An LM Studio-compatible server over a pool of instances."""

    def __init__(self, pool: Pool, token: str | None = None) -> None:
        self.pool = pool
        self.token = token

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            return
        with contextlib.suppress(_ClientLeft, OSError):
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            self._check_token(headers)
            body = await _read_body(receive)
        except EngineError as error:
            await _send_answer(_as_answer(error, path), send)
            return
        work = asyncio.create_task(self._answer(Request(method, path, headers, body), send))
        left = asyncio.create_task(_until_client_leaves(receive))
        try:
            # Whoever goes away ends the work for them: llama.cpp stops when its connection closes.
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            if not work.done():
                work.cancel()
            await asyncio.gather(work, left, return_exceptions=True)

    async def _answer(self, request: Request, send: Send) -> None:
        try:
            answer = await self._route(request)
            if isinstance(answer, Stream):
                await _send_stream(answer, send)
                return
        except EngineError as error:
            answer = _as_answer(error, request.path)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            failure = EngineError(500, "internal_error", "The engine failed; its log says why.")
            answer = _as_answer(failure, request.path)
        await _send_answer(answer, send)

    async def _route(self, request: Request) -> Answer | Stream:
        route = ROUTES.get((request.method, request.path))
        if route is None and request.method == "GET" and request.path.startswith("/api/v0/models/"):
            route = v0.show_model
        if route is None:  # LM Studio's best known quirk: 200 for what does not exist
            return Answer({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})
        return await route(self.pool, request)

    def _check_token(self, headers: dict[str, str]) -> None:
        if self.token is None:
            return
        given = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            what = "An API token is required" if not given else "The API token was refused"
            message = f"{what}. Send it as 'Authorization: Bearer <token>'."
            raise EngineError(401, "invalid_request", message, "invalid_api_key")


def _as_answer(error: EngineError, path: str) -> Answer:
    """LM Studio's two shapes: an object on /api/v1 and for keys and unknown models, elsewhere a plain text."""
    if path.startswith("/api/v1/") or error.code in ("invalid_api_key", "model_not_found"):
        return Answer({"error": error.as_object()}, error.status)
    return Answer({"error": error.message}, error.status)


async def _read_body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            raise invalid(f"The body is larger than {LARGEST_BODY // 2**20} MiB")
        if not message.get("more_body"):
            return b"".join(parts)


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_answer(answer: Answer, send: Send) -> None:
    body = answer.encoded()
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_stream(stream: Stream, send: Send) -> None:
    """Send frames; the status goes out with the first one, so an error before it is an ordinary answer."""
    async with contextlib.aclosing(stream.frames) as frames:
        first = await anext(frames)
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for part in frames:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, and ends the children before it waits for connections to close."""

    def __init__(self, config: uvicorn.Config, pool: Pool, listener: socket.socket) -> None:
        super().__init__(config)
        self.pool = pool
        self.listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.listener.getsockname()[:2]
        sys.stdout.write(f"engine ready on http://{f'[{host}]' if ':' in host else host}:{port}\n")
        sys.stdout.flush()
        self.pool.keep_time()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.pool.close()
        await super().shutdown(sockets)


def serve(
    port: int = 1234,
    host: str = "127.0.0.1",
    budget_mb: int = 512,
    token: str | None = None,
    data_dir: Path | None = None,
    threads: int | None = None,
    models: Sequence[Path] = (),
) -> None:
    """Run the engine until SIGTERM or Ctrl-C. `budget_mb` in MiB; port 0 = any free one. OSError: the port is taken.

    Prints `engine ready on http://HOST:PORT` when it listens. Copies of models are kept in `data_dir`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=128)
    directory = data_dir or Path(platformdirs.user_cache_dir("lmstrix")) / "engine"
    found = find_models(directory, [*paths_from_environment(), *models])
    pool = Pool(found, budget_mb * 2**20, threads)
    config = uvicorn.Config(
        Application(pool, token),
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    # uvicorn raises the signal again when all is closed; as an interrupt it lets this function return.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, pool, listener).run(sockets=[listener])
