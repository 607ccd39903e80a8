"""LM Studio's native chat, POST /api/v1/chat: one stream of named events, also when the answer is one JSON object."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from testing.engine.chat_request import ChatRequest, conversations
from testing.engine.errors import EngineError, crashed, invalid
from testing.engine.instances import Pool
from testing.engine.requests import Answer, Request, Stream, frame

Event = tuple[str, dict[str, Any]]


async def chat(pool: Pool, request: Request) -> Answer | Stream:
    """Answer one message; as events when `stream` is true."""
    asked = ChatRequest.read(request.json())
    model = pool.model_named(asked.model)
    if model.is_embedding:
        raise invalid(f'Model "{model.key}" is an embedding model: it cannot chat', "model")
    if asked.stream:
        return Stream(_frames(pool, asked))
    result: dict[str, Any] = {}
    async for name, data in _events(pool, asked, Reply()):
        if name == "chat.end":
            result = data["result"]
    return Answer(result)


@dataclass
class Reply:
    """What has been generated so far, and the figures about it."""

    instance_id: str = ""
    text: list[str] = field(default_factory=list)
    load_seconds: float | None = None
    first_token_seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    tokens_per_second: float = 0.0
    response_id: str | None = None

    def result(self) -> dict[str, Any]:
        """The whole answer, as in chat.end."""
        stats: dict[str, Any] = {
            "input_tokens": self.input_tokens,
            "total_output_tokens": self.output_tokens,
            "reasoning_output_tokens": 0,
            "tokens_per_second": round(self.tokens_per_second, 3),
            "time_to_first_token_seconds": round(self.first_token_seconds, 4),
        }
        if self.load_seconds is not None:
            stats["model_load_time_seconds"] = round(self.load_seconds, 3)
        output = [{"type": "message", "content": "".join(self.text)}] if self.text else []
        answer = {"model_instance_id": self.instance_id, "output": output, "stats": stats}
        return answer if self.response_id is None else answer | {"response_id": self.response_id}


async def _frames(pool: Pool, asked: ChatRequest) -> AsyncGenerator[bytes, None]:
    """Events as frames. An error before the first one is raised; later ones become an event, and chat.end follows."""
    reply, begun = Reply(), False
    try:
        async for name, data in _events(pool, asked, reply):
            begun = True
            yield frame({"type": name} | data, name)
    except EngineError as error:
        if not begun:
            raise
        yield frame({"type": "error", "error": error.as_object()}, "error")
        yield frame({"type": "chat.end", "result": reply.result()}, "chat.end")


async def _events(pool: Pool, asked: ChatRequest, reply: Reply) -> AsyncIterator[Event]:
    instance = pool.fitting(asked.model, asked.context_length)
    if instance is None:  # llama.cpp tells no progress of a load, so it goes from 0 to 1
        reply.instance_id = pool.model_named(asked.model).key
        named = {"model_instance_id": reply.instance_id}
        yield "chat.start", named
        yield "model_load.start", named
        yield "model_load.progress", named | {"progress": 0.0}
        instance, reply.load_seconds = await pool.load_just_in_time(asked.model, asked.context_length, asked.ttl)
        named = {"model_instance_id": instance.id}
        yield "model_load.progress", named | {"progress": 1.0}
        yield "model_load.end", named | {"load_time_seconds": round(reply.load_seconds or 0.0, 3)}
    body = asked.sampling | {
        "messages": asked.messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
    }
    began = time.monotonic()
    async with instance.request("/v1/chat/completions", body) as response:
        if not reply.instance_id:
            yield "chat.start", {"model_instance_id": instance.id}
        reply.instance_id = instance.id
        async for event in _generation_events(response, reply, began):
            yield event
    if asked.store:
        reply.response_id = conversations.keep(asked.messages, "".join(reply.text))
    yield "chat.end", {"result": reply.result()}


async def _generation_events(response: httpx.Response, reply: Reply, began: float) -> AsyncIterator[Event]:
    """llama.cpp's chunks as prompt_processing.* and message.*."""
    yield "prompt_processing.start", {}
    processing = True
    async for chunk in chunks(response):
        if (progress := chunk.get("prompt_progress")) and processing:
            yield "prompt_processing.progress", {"progress": _share(progress)}
        _note_figures(reply, chunk)
        content = _content(chunk)
        if not content:
            continue
        if processing:
            processing = False
            reply.first_token_seconds = time.monotonic() - began
            yield "prompt_processing.end", {}
            yield "message.start", {}
        reply.text.append(content)
        yield "message.delta", {"content": content}
    if processing:  # the model ended at once, without a word
        reply.first_token_seconds = time.monotonic() - began
        yield "prompt_processing.end", {}
    else:
        yield "message.end", {}


async def chunks(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects of llama.cpp's event stream. Raises EngineError for an error in the middle of it."""
    async for line in response.aiter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            if line.startswith("error: "):
                raise crashed(line[7:300])
            continue
        chunk: dict[str, Any] = json.loads(line[6:])
        if "error" in chunk:
            raise EngineError(500, "internal_error", str(chunk["error"].get("message", chunk["error"]))[:500])
        yield chunk


def _content(chunk: dict[str, Any]) -> str:
    choices = chunk.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")


def _share(progress: dict[str, Any]) -> float:
    return round(min(1.0, int(progress["processed"]) / max(1, int(progress["total"]))), 4)


def _note_figures(reply: Reply, chunk: dict[str, Any]) -> None:
    if usage := chunk.get("usage"):
        reply.input_tokens, reply.output_tokens = usage["prompt_tokens"], usage["completion_tokens"]
    if timings := chunk.get("timings"):
        reply.tokens_per_second = timings.get("predicted_per_second") or 0.0
