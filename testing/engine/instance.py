"""One loaded model: its child process, what was really applied, and the requests it answers."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from testing.engine.budget import LoadSettings, round_up
from testing.engine.catalog import CatalogModel
from testing.engine.errors import EngineError, crashed, invalid, load_failed

_CHILD = Path(__file__).with_name("instance_process.py")
_SECONDS_TO_END = 1.0
_CHILD_ENVIRONMENT = {
    # Otherwise an abort starts a debugger, which takes seconds and writes to stdout.
    "GGML_NO_BACKTRACE": "1",
    # Threads that spin while they wait for each other starve when anything else wants a core: measured with one
    # other busy process on 2 cores, generation fell from 56 to 1 token/s; with passive waiting it stayed above 20.
    "OMP_WAIT_POLICY": "PASSIVE",
}
_LINE_LIMIT = 16 * 2**20


@dataclass(eq=False)
class Instance:
    """A model in memory; `context_length` is the applied one, read back from llama.cpp."""

    id: str
    model: CatalogModel
    settings: LoadSettings
    needed_bytes: int
    process: asyncio.subprocess.Process
    ttl_seconds: float | None = None
    context_length: int = 0
    load_seconds: float = 0.0
    last_used: float = field(default_factory=time.monotonic)
    users: int = 0
    # A long prompt answers nothing for minutes, so only connecting has a limit. Each request has a connection of its
    # own: one that llama.cpp closes just as it is used again would look like a crash.
    client: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=5), limits=httpx.Limits(max_keepalive_connections=0), trust_env=False
        )
    )
    stderr: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    # llama.cpp works on one prompt at a time; the queue is kept here, so that its two HTTP threads stay free.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    reader: asyncio.Task[None] | None = None

    async def wait_until_ready(self) -> None:
        """Wait for the child's line, then read back the applied context. Raises model_load_failed."""
        self.reader = asyncio.create_task(self._read_stderr())
        url = await self._ready_line()
        self.client.base_url = httpx.URL(url)
        try:
            slots = (await self.client.get("/slots")).json()
            self.context_length = int(slots[0]["n_ctx"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise load_failed("The model was loaded but its engine does not answer.") from error

    async def _ready_line(self) -> str:
        while line := await _line(self.process.stdout):
            if line.startswith(b"{"):  # an abort may print other things here
                return str(json.loads(line)["url"])
        await self.process.wait()
        if self.reader is not None:
            await self.reader
        raise load_failed(f"Failed to load the model. {self._why_it_ended()} (Exit code: {self.process.returncode})")

    def _why_it_ended(self) -> str:
        log = "\n".join(self.stderr)
        if "insufficient memory" in log or "failed to allocate" in log or "bad_alloc" in log or "GGML_ASSERT" in log:
            return "Not enough memory for the context."
        for line in self.stderr:
            if "failed to open GGUF" in line or "corrupted or incomplete" in line or "error loading model" in line:
                return "The model file cannot be read: " + line.split(": ", 1)[-1][:300]
        return self.stderr[-1][:300] if self.stderr else "The engine process ended without a word."

    async def _read_stderr(self) -> None:
        while line := await _line(self.process.stderr):
            self.stderr.append(line.decode("utf-8", "replace").rstrip())

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[None]:
        """Mark the instance as working, so that its ttl cannot end it, and wait for its turn."""
        self.users += 1
        try:
            async with self.turn:
                yield
        finally:
            self.users -= 1
            self.last_used = time.monotonic()

    @contextlib.asynccontextmanager
    async def request(self, path: str, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        """A request to llama.cpp, answered 200, body not yet read. Closing it early stops the work."""
        # Reusing a cached prefix splits batches otherwise, and the last bits of a result with them.
        body = body | {"cache_prompt": body.get("temperature") != 0}
        async with self.use():
            try:
                async with self.client.stream("POST", path, json=body) as response:
                    if response.status_code != 200:
                        raise _refusal(response.status_code, await response.aread())
                    yield response
            except httpx.HTTPError as error:
                raise crashed(await self._exit_reason()) from error

    async def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The whole JSON answer of llama.cpp."""
        async with self.request(path, body) as response:
            answer: dict[str, Any] = json.loads(await response.aread())
            return answer

    async def _exit_reason(self) -> str:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), 0.5)
        return f"Exit code: {self.process.returncode}"

    async def close(self, patience: float = _SECONDS_TO_END) -> None:
        """End the child: by the end of its stdin, and by force after `patience` seconds."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), patience)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        await self.client.aclose()


async def start_process(
    model: CatalogModel, settings: LoadSettings, threads: int, data_limit: int
) -> asyncio.subprocess.Process:
    """Start the child that will load `model`; it is not ready yet."""
    context = round_up(settings.context_length)
    # An encoder sees its whole text at once, so its micro-batch is its context.
    batches = (context, context) if model.is_embedding else (settings.eval_batch_size, settings.micro_batch)
    arguments = {
        "path": str(model.path), "n_ctx": context, "n_batch": batches[0], "n_ubatch": batches[1], "threads": threads,
        "flash_attention": settings.flash_attention, "embedding": model.is_embedding, "data_limit_bytes": data_limit,
    }  # fmt: skip
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(_CHILD), json.dumps(arguments),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
        env=os.environ | _CHILD_ENVIRONMENT,
        start_new_session=True,
    )  # fmt: skip


async def _line(stream: asyncio.StreamReader | None) -> bytes:
    """The next line of a pipe; empty at its end."""
    return b"" if stream is None else await stream.readline()


def _refusal(status: int, body: bytes) -> EngineError:
    """llama.cpp's error as LM Studio's."""
    try:
        error = json.loads(body)["error"]
        message = str(error["message"])
    except (ValueError, LookupError, TypeError):
        return crashed(f"HTTP {status}")
    if error.get("type") == "exceed_context_size_error":
        tokens, context = error.get("n_prompt_tokens"), error.get("n_ctx")
        return invalid(
            f"Trying to keep the first {tokens} tokens when the context overflows. However, the model is loaded with "
            f"context length of only {context} tokens, which is not enough. Try to load the model with a larger "
            "context length, or provide a shorter input."
        )
    if 400 <= status < 500:
        return invalid(message)
    return EngineError(500, "internal_error", message)
