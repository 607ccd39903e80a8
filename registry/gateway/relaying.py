"""Passes an answer on as it comes, byte for byte, and notes how it ended before its last byte goes out."""

from __future__ import annotations

import re
from typing import Any

import orjson

from registry.gateway import upstream
from registry.gateway.exchange import KEEP_CHARACTERS, Exchange
from registry.gateway.refusals import Header, Send
from registry.gateway.upstream import Answer, Broken
from registry.gateway.usage_chunk import Stream, told
from registry.models.usage import Outcome

SMALL = 2**20  # bytes of an answer that is read before it is passed on
PARSED = 256 * 1024  # bytes of an answer that is read as JSON; beyond it only its usage is looked for
PASSED = ("Content-Type", "Content-Encoding", "Content-Language", "Cache-Control", "Retry-After", "X-Request-Id")

_USAGE = re.compile(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')


class Cut(Exception):
    """The answer broke off in the middle: so it has to, for the client as well."""


def is_stream(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").lower().startswith("text/event-stream")


async def stream(answer: Answer, exchange: Exchange, send: Send, *, remove: bool) -> None:
    """Passes a stream of events on; `remove`: without the usage chunk."""
    encoded = "Content-Encoding" in answer.headers
    events = exchange.stream = Stream(
        remove=remove and not encoded, keep=KEEP_CHARACTERS if exchange.token.keep_days else 0
    )
    await _start(answer, exchange, send, ())
    try:
        while data := await upstream.more(answer):
            out = data if encoded else events.feed(data)
            exchange.checkpoint()
            if events.done and not exchange.ended:
                _end_of_stream(exchange, events)
            if out:
                await send({"type": "http.response.body", "body": out, "more_body": True})
    except Broken as error:
        exchange.end(
            Outcome.ERROR, answer.status, error=f"The server {error}.", answer=events.text,
            tokens=exchange.tokens(events.usage),
        )  # fmt: skip
        if rest := events.finish():
            await send({"type": "http.response.body", "body": rest, "more_body": True})
        raise Cut from error
    rest = events.finish()
    _end_of_stream(exchange, events)
    await send({"type": "http.response.body", "body": rest})


def _end_of_stream(exchange: Exchange, events: Stream) -> None:
    good = (exchange.status or 0) < 400 and not events.error
    exchange.end(
        Outcome.OK if good else Outcome.ERROR, exchange.status, error=events.error, answer=events.text,
        tokens=exchange.tokens(events.usage),
    )  # fmt: skip


async def whole(answer: Answer, exchange: Exchange, send: Send, data: bytes | None = None) -> None:
    """Passes an answer on that is no stream; `data`: its body, when that was read already."""
    length = answer.content_length
    if data is None and (length is None or length > SMALL):
        await _long(answer, exchange, send)
        return
    if data is None:
        data = await upstream.whole(answer)
        exchange.resume()
    _end_of_whole(exchange, answer, data, data)
    await _start(answer, exchange, send, ((b"content-length", str(len(data)).encode()),))
    await send({"type": "http.response.body", "body": data})


async def _long(answer: Answer, exchange: Exchange, send: Send) -> None:
    """Passes it on while it comes, the newest part held back: the end is noted before the last one goes out."""
    length = answer.headers.get("Content-Length")
    sized = ((b"content-length", length.encode()),) if length else ()
    held, begin, tail = b"", bytearray(), b""
    try:
        while data := await upstream.more(answer):
            if held:
                if not exchange.answered:
                    await _start(answer, exchange, send, sized)
                await send({"type": "http.response.body", "body": held, "more_body": True})
            if len(begin) < PARSED:
                begin += data
            held, tail = data, (tail + data)[-4096:]
    except Broken as error:
        if not exchange.answered:
            raise
        exchange.end(Outcome.ERROR, answer.status, error=f"The server {error}.", tokens=exchange.tokens(None))
        raise Cut from error
    _end_of_whole(exchange, answer, bytes(begin), tail)
    if not exchange.answered:
        await _start(answer, exchange, send, sized)
    await send({"type": "http.response.body", "body": held})


async def _start(answer: Answer, exchange: Exchange, send: Send, sized: tuple[Header, ...]) -> None:
    exchange.status, exchange.answered = answer.status, True
    headers = [(name.lower().encode(), value.encode("latin-1", "replace"))
               for name in PASSED if (value := answer.headers.get(name)) is not None]  # fmt: skip
    exchange.pause()
    headers += (*sized, *exchange.headers())
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


def _end_of_whole(exchange: Exchange, answer: Answer, begin: bytes, tail: bytes) -> None:
    """`begin` is all of a short body; of a long one its beginning, and `tail` its end."""
    body = _parsed(begin) if len(begin) <= PARSED else {}
    usage = body.get("usage") if body else _found(tail) or _found(begin[:4096])
    error = told(body["error"]) if body.get("error") else ""
    good = answer.status < 400 and not error
    error = error or ("" if good else f"The server answered with HTTP {answer.status} and no reason.")
    tokens = exchange.tokens(usage if isinstance(usage, dict) else None, chunks=_estimated_output(exchange, body))
    exchange.pause()
    exchange.end(
        Outcome.OK if good else Outcome.ERROR, answer.status, error=error,
        answer=begin.decode("utf-8", "replace") if exchange.token.keep_days else "", tokens=tokens if good else None,
    )  # fmt: skip


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _found(data: bytes) -> dict[str, Any] | None:
    match = _USAGE.search(data)
    return _parsed(match[1]) if match else None


def _estimated_output(exchange: Exchange, body: dict[str, Any]) -> int:
    """Tokens of an answer whose server does not tell them, by its characters."""
    choices = body.get("choices")
    if exchange.asked.endpoint == "embeddings" or body.get("usage") or not isinstance(choices, list):
        return 0
    texts = [
        (message.get("content") if isinstance(message := choice.get("message"), dict) else choice.get("text")) or ""
        for choice in choices
        if isinstance(choice, dict)
    ]
    per_token = exchange.choice.model.characters_per_token if exchange.choice else None
    return round(sum(len(text) for text in texts if isinstance(text, str)) / (per_token or 4.0))
