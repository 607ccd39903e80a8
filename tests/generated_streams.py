"""Answers of an upstream made from a seed: event streams and whole ones as servers of all kinds write them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

from tests.scripted_openai import CHAT, COMPLETIONS
from tests.scripted_wire import Raw

TEXTS = (
    "Hello", " world", "\n\n", "é", "日本語", "🦙🦙", "\u2028", "\t\"quoted\"", "\\n", "data: [DONE]", "data: {}\n\n",
    '"usage":{"prompt_tokens":1}', '{"choices":[],"usage":{"prompt_tokens":3}}', "\r\n", ": ping", "",
    "\x00", "x" * 700,
)  # fmt: skip
ERRORS = (400, 404, 413, 429, 500, 502, 503)


@dataclass(frozen=True)
class Case:
    """One request and what the upstream answers, with the usage chunk and without it."""

    name: str
    path: str
    stream: bool
    asked: bool | None  # include_usage of the client; None: no stream_options at all
    status: int
    content_type: bytes
    framing: str
    events: tuple[bytes, ...]
    usage: int | None  # which of the events is the usage chunk
    tokens: tuple[int, int]
    seed: int

    def body(self) -> dict[str, Any]:
        """The client's request."""
        prompt = {"messages": [{"role": "user", "content": self.name}]} if self.path == CHAT else {"prompt": self.name}
        options = {"stream_options": {"include_usage": self.asked}} if self.asked is not None else {}
        return {"model": "one", "stream": self.stream, **prompt, **options}

    def sent(self, asked: bool) -> bytes:
        """The body for a client that asks for usage, or does not."""
        return b"".join(event for number, event in enumerate(self.events) if asked or number != self.usage)

    def reply(self, body: dict[str, Any]) -> Raw:
        """The upstream's answer, cut anywhere: between bytes of a character, of a line's end, of a word."""
        data = self.sent(bool((body.get("stream_options") or {}).get("include_usage")))
        dice = Random(self.seed)
        pieces = dice.choice((1, 2, 5, 20, 60, len(data)))
        cuts = sorted({0, len(data), *(dice.randrange(len(data)) for _ in range(min(pieces, 400) - 1))})
        parts = tuple(data[a:b] for a, b in pairwise(cuts))
        return Raw(parts, self.content_type, self.framing, self.status)


def case(number: int) -> Case:
    """The case of this number, always the same."""
    dice = Random(f"stream {number}")
    path = dice.choice((CHAT, CHAT, COMPLETIONS))
    stream = dice.random() < 0.9
    asked = dice.choice((None, None, False, True)) if stream else None
    framing = dice.choice(("chunked", "chunked", "chunked", "close", "length"))
    name = f"case {number}"
    told = (len(name), dice.randrange(5000))
    whole = (name, path, stream, asked)
    if dice.random() < 0.05:
        failure = spelled({"error": {"message": "scripted", "type": "x", "code": None}}, dice).encode()
        return Case(*whole, dice.choice(ERRORS), b"application/json", "length", (failure,), None, (0, 0), number)
    if not stream:
        text = spelled({"id": "c", "choices": [choice(path, dice)], "usage": usage(*told)}, dice)
        return Case(*whole, 200, b"application/json", framing, (text.encode(),), None, told, number)
    events, at = stream_events(path, told, dice)
    return Case(*whole, 200, kind(dice), framing, events, at, told, number)


def kind(dice: Random) -> bytes:
    return dice.choice((b"text/event-stream", b"text/event-stream; charset=utf-8", b"text/event-stream;charset=UTF-8"))


def stream_events(path: str, told: tuple[int, int], dice: Random) -> tuple[tuple[bytes, ...], int | None]:
    """The events of a stream, and which of them is the usage chunk (None: told elsewhere or never)."""
    line, space = dice.choice(("\n", "\n", "\r\n")), dice.choice((" ", " ", ""))

    def event(value: dict[str, Any] | str) -> str:
        data = value if isinstance(value, str) else spelled(value, dice)
        before = dice.choice(("", "", "", f"event: message{line}", f"id: 7{line}", f"retry: 10{line}"))
        return f"{before}data:{space}{data}{line}{line}"

    events = [event(chunk(dice, [choice(path, dice)])) for _ in range(dice.choice((0, 1, 3, 10, 40)))]
    if dice.random() < 0.2:
        events.insert(0, event(chunk(dice, [], prompt_filter_results=[])))  # no choices and no usage: it stays
    for _ in range(dice.choice((0, 0, 1, 3))):
        events.insert(dice.randint(0, len(events)), f":{dice.choice((' ping', '', ' data: {}'))}{line}{line}")
    if dice.random() < 0.1:
        events.insert(dice.randint(0, len(events)), event({"error": {"message": "half way", "code": 500}}))
    where = dice.choice(("chunk", "chunk", "chunk", "finish", "never"))
    finish = {"usage": usage(*told)} if where == "finish" else {}
    events.append(event(chunk(dice, [{"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}], **finish)))
    at = len(events) if where == "chunk" else None
    events += [event(chunk(dice, [], usage=usage(*told)))] if where == "chunk" else []
    events += [f": bye{line}{line}"] if dice.random() < 0.1 else []
    end = dice.choice((f"data:{space}[DONE]{line}{line}",) * 4 + (f"data: [DONE]{line}", "", f"data: [DONE]{line * 3}"))
    return tuple(text.encode("utf-8", "surrogatepass") for text in [*events, end] if text), at


def chunk(dice: Random, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A chunk with its fields in any order."""
    null = {"usage": None} if "usage" not in more and dice.random() < 0.2 else {}
    fields = {"id": "c-1", "object": "chunk", "created": 1, "model": "one", "choices": choices} | null | more
    names = list(fields)
    dice.shuffle(names)
    return {name: fields[name] for name in names}


def choice(path: str, dice: Random) -> dict[str, Any]:
    """Some text, or a piece of a tool call."""
    text = "".join(dice.choice(TEXTS) for _ in range(dice.randint(1, 3)))
    if path == COMPLETIONS:
        return {"index": 0, "text": text, "finish_reason": None}
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": text}}
    delta = {"tool_calls": [call]} if dice.random() < 0.2 else {"role": "assistant", "content": text}
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}


def usage(read: int, written: int) -> dict[str, Any]:
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def spelled(value: Any, dice: Random) -> str:
    """JSON with or without spaces and escapes."""
    separators = dice.choice(((",", ":"), (", ", ": "), (" ,  ", " :")))
    return json.dumps(value, ensure_ascii=dice.random() < 0.5, separators=separators)
