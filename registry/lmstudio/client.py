"""The client for LM Studio's REST API: list, load, unload, download, chat, ping."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from registry.lmstudio import sse, strict_json
from registry.lmstudio.address import normalize_base_url
from registry.lmstudio.chatting import Conversation
from registry.lmstudio.errors import Unsupported
from registry.lmstudio.exchange import MAX_BODY, Call, Exchange
from registry.lmstudio.parsing import read_chat, read_download, read_listing, read_load
from registry.lmstudio.wire import ApiVersion, ChatProgress, ChatResult, Download, Listing, LoadResult

MAX_LISTING = 32_000_000
_STREAM_BYTES_PER_TOKEN = 1_000  # an event wraps each token in some 100 bytes


class LMStudio:
    """One LM Studio server, for use as `async with LMStudio(url) as studio`.

    Every call raises LMStudioError, can be cancelled at any time, and then closes its connection at once. Times are in
    seconds. `idle_timeout` is the longest silence within a load or a chat: reading a long prompt may be silent.
    The constructor raises ValueError for a `base_url` that is none.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        connect_timeout: float = 3.0,
        listing_timeout: float = 10.0,
        idle_timeout: float = 600.0,
    ) -> None:
        self.base_url = normalize_base_url(base_url)
        self._listing_timeout = listing_timeout
        self._idle_timeout = idle_timeout
        self._exchange = Exchange(self.base_url, token, connect_timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange.aclose()

    async def list_models(self) -> Listing:
        """What the server has and what is loaded. The older v0 list is asked only where v1 does not exist."""
        try:
            return await self._list("v1")
        except Unsupported:
            return await self._list("v0")

    async def ping(self) -> float:
        """Seconds until the server began to answer with a list of models."""
        return (await self.list_models()).ping_seconds

    async def _list(self, api: ApiVersion) -> Listing:
        call = Call(
            "GET",
            f"/api/{api}/models",
            "list its models",
            timeout=self._listing_timeout,
            max_body=MAX_LISTING,
        )
        body, seconds = await self._exchange.json(call)
        with self._judged(call):
            return read_listing(body, api, seconds)

    async def load(
        self,
        model: str,
        context_length: int | None = None,
        *,
        eval_batch_size: int | None = None,
        flash_attention: bool | None = None,
        num_experts: int | None = None,
        offload_kv_cache_to_gpu: bool | None = None,
        echo: bool = True,
        timeout: float | None = 3600.0,
    ) -> LoadResult:
        """Load a model (context in tokens) and wait for it.

        The server may apply another context than asked: see `LoadResult.applied_context`, and list to be sure. A model
        that is loaded already gets a second instance; list first and load one at a time.
        """
        options = {
            "context_length": context_length,
            "eval_batch_size": eval_batch_size,
            "flash_attention": flash_attention,
            "num_experts": num_experts,
            "offload_kv_cache_to_gpu": offload_kv_cache_to_gpu,
        }
        body = {"model": model, "echo_load_config": echo} | {k: v for k, v in options.items() if v is not None}
        call = Call(
            "POST",
            "/api/v1/models/load",
            f'load "{model}"' + (f" with {context_length:,} tokens" if context_length else ""),
            body,
            timeout=timeout,
            idle_timeout=self._idle_timeout,
            loading=True,
        )
        answer, _ = await self._exchange.json(call)
        with self._judged(call):
            return read_load(answer)

    async def unload(self, instance_id: str, *, timeout: float = 60.0) -> None:
        """Unload one instance; ModelNotFound when it is gone already."""
        body = {"instance_id": instance_id}
        call = Call("POST", "/api/v1/models/unload", f'unload "{instance_id}"', body, timeout=timeout)
        answer, _ = await self._exchange.json(call)
        if not isinstance(answer, dict) or answer.get("instance_id") != instance_id:
            raise self._exchange.bad_reply(call, "it does not confirm the instance")

    async def download(self, model: str, quantization: str | None = None, *, timeout: float = 60.0) -> Download:
        """Start a download by the model's name in LM Studio's catalogue or its link; Unsupported where not offered."""
        body = {"model": model} | ({"quantization": quantization} if quantization else {})
        call = Call("POST", "/api/v1/models/download", f'download "{model}"', body, timeout=timeout)
        answer, _ = await self._exchange.json(call)
        with self._judged(call):
            return read_download(answer)

    async def download_status(self, job_id: str) -> Download:
        """How far a download is; its failure is a status here, no error."""
        path = f"/api/v1/models/download/status/{quote(job_id, safe='')}"
        call = Call("GET", path, "tell how far a download is", timeout=self._listing_timeout)
        answer, _ = await self._exchange.json(call)
        with self._judged(call):
            return read_download(answer)

    async def chat(
        self,
        model: str,
        text: str,
        *,
        max_output_tokens: int,
        temperature: float = 0,
        reasoning: str | None = None,
        on_progress: Callable[[ChatProgress], None] | None = None,
        timeout: float | None = 3600.0,
    ) -> ChatResult:
        """Stream one answer that the server does not keep; an exception in `on_progress` ends the chat.

        Send `reasoning` ("off", "low", ...) only where the model's `reasoning_options` has it. An empty `text` with
        tokens used is returned as it is.
        """
        body: dict[str, Any] = {
            "model": model,
            "input": text,
            "stream": True,
            "store": False,
            "temperature": temperature,
            "max_output_tokens": max_output_tokens,
        } | ({"reasoning": reasoning} if reasoning is not None else {})
        call = Call(
            "POST",
            "/api/v1/chat",
            f'chat with "{model}"',
            body,
            timeout=timeout,
            idle_timeout=self._idle_timeout,
            max_body=MAX_BODY + _STREAM_BYTES_PER_TOKEN * max_output_tokens,
        )
        return await self._converse(call, on_progress)

    async def _converse(self, call: Call, on_progress: Callable[[ChatProgress], None] | None) -> ChatResult:
        async with (
            self._exchange.open(call) as answer,
            contextlib.aclosing(self._exchange.chunks(answer, call)) as chunks,
        ):
            start = b""
            while not start.strip() and (chunk := await anext(chunks, b"")):
                start = chunk
            # A failure may come as plain JSON under any status and content type.
            if answer.status_code == 200 and not start.lstrip().startswith(b"{"):
                return await self._follow(call, start, chunks, on_progress)
            data = start + b"".join([chunk async for chunk in chunks])
        body = self._exchange.decoded(data, answer.status_code, call)
        with self._judged(call):
            return read_chat(body)

    async def _follow(
        self,
        call: Call,
        chunk: bytes,
        chunks: AsyncIterator[bytes],
        on_progress: Callable[[ChatProgress], None] | None,
    ) -> ChatResult:
        decoder, conversation = sse.Decoder(), Conversation()
        while chunk:
            with self._judged(call):
                events = list(decoder.feed(chunk))
            for event in events:
                with self._judged(call):
                    progress = conversation.take(event.name, strict_json.loads(event.data))
                if conversation.report:
                    raise self._exchange.reported_error(conversation.report, call)
                if progress and on_progress:  # outside: an error of the listener is not the server's
                    on_progress(progress)
                if conversation.result:
                    return conversation.result
            chunk = await anext(chunks, b"")
        raise self._exchange.bad_reply(call, "it ended before the result (no chat.end)")

    @contextlib.contextmanager
    def _judged(self, call: Call) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise self._exchange.bad_reply(call, error) from error
