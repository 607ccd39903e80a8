"""Asks a stream for its usage, and takes exactly the chunk that tells it out again (pure).

A stream of server-sent events is cut at blank lines; what is not the usage chunk goes on byte for byte. The usage
chunk is the event whose JSON has `"choices": []` and a `usage` object; comments and blank lines around it stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

LONGEST = 2**20  # bytes of an event that is still looked into; the usage chunk is far shorter
DONE = b"[DONE]"

_LINE = rb"(?:\r\n|\n|\r(?!\n))"
# two ends of lines; a CR that comes last may be half of one, so the next byte is waited for
_BLANK = re.compile(_LINE + rb"(?:\r\n|\n|\r(?=[^\n]))")
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_SPEAKING = ("content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal")


def ask_for_usage(body: dict[str, Any]) -> bool:
    """Makes the request ask for usage where it does not; True: the chunk has to be taken out of the answer."""
    options = body.get("stream_options")
    if body.get("stream") is not True or not (options is None or isinstance(options, dict)):
        return False
    if options and options.get("include_usage"):
        return False
    body["stream_options"] = {**(options or {}), "include_usage": True}
    return True


class Stream:
    """Reads an answer as it passes: `feed` gives the bytes to send on, `finish` what is left at its end.

    `usage` is what the server told, `chunks` counts the events that brought something of the answer, `done` that the
    end was announced, `error` what an event said went wrong.
    """

    def __init__(self, *, remove: bool = False, keep: int = 0) -> None:
        """`remove`: takes the usage chunk out. `keep`: so many characters of the answer are kept in `text`."""
        self.usage: dict[str, Any] | None = None
        self.chunks = 0
        self.done = False
        self.error = ""
        self._remove, self._keep = remove, keep
        self._text: list[str] = []
        self._held = b""
        self._passing = False  # in an event that is too long: `_held` is its end, which went on already

    @property
    def text(self) -> str:
        return "".join(self._text)

    def feed(self, data: bytes) -> bytes:
        """What of `data`, and of what was held back before, goes on now."""
        looked = max(0, len(self._held) - 3)
        sent = len(self._held) if self._passing else 0
        buffer = self._held + data
        out, begin = [], 0
        while blank := _BLANK.search(buffer, max(begin, looked)):
            event = buffer[begin : blank.end()]
            out.append(event[sent:] if self._passing else self._passed(event))
            begin, sent, self._passing = blank.end(), 0, False
        self._held = buffer[begin:]
        if self._passing or len(self._held) > LONGEST:
            out.append(self._held[sent:])
            self._held, self._passing = self._held[-3:], True
        return b"".join(out)

    def finish(self) -> bytes:
        """What is left when the stream has ended."""
        rest, self._held = (b"" if self._passing else self._held), b""
        return self._passed(rest) if rest else b""

    def _passed(self, event: bytes) -> bytes:
        """The event as it goes on: as it came, unless it is the usage chunk."""
        payload = _payload(event)
        if not payload:
            return event
        if payload == DONE:
            self.done = True
            return event
        try:
            chunk = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return event
        return self._read(event, chunk) if isinstance(chunk, dict) else event

    def _read(self, event: bytes, chunk: dict[str, Any]) -> bytes:
        if isinstance(usage := chunk.get("usage"), dict):
            self.usage = usage
            if self._remove and chunk.get("choices") == []:
                self._remove = False
                return _without_fields(event)
        if error := chunk.get("error"):
            self.error = told(error)
        said = False
        for choice in _choices(chunk):
            said = self._note(choice) or said
        self.chunks += said
        return event

    def _note(self, choice: dict[str, Any]) -> bool:
        """Whether the choice brings something of the answer; keeps its text where that is wanted."""
        delta = choice.get("delta")
        brought = [delta.get(name) for name in _SPEAKING] if isinstance(delta, dict) else [choice.get("text")]
        if self._keep > 0 and isinstance(brought[0], str):
            self._text.append(brought[0][: self._keep])
            self._keep -= len(brought[0])
        return any(brought)


def told(error: object) -> str:
    """The sentence in either shape of an error: `{"message": ...}` or a text."""
    return str(error.get("message") or error) if isinstance(error, dict) else str(error)


def _choices(chunk: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choices = chunk.get("choices")
    yield from (choice for choice in choices if isinstance(choice, dict)) if isinstance(choices, list) else ()


def _payload(event: bytes) -> bytes:
    """The data of an event, its lines joined."""
    if event.startswith(b"data:") and b"\n" not in (line := event[5:].strip()) and b"\r" not in line:
        return line  # nearly all of them
    lines = (line.strip(b"\r\n") for line in _LINES.findall(event))
    return b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))


def _without_fields(event: bytes) -> bytes:
    """The event without its fields and the blank line that ends it; comments and blank lines before it stay."""
    kept, in_event = [], False
    for line in _LINES.findall(event):
        bare = line.strip(b"\r\n")
        if bare.startswith(b":") or not (bare or in_event):
            kept.append(line)
        in_event = in_event or bool(bare and not bare.startswith(b":"))
    return b"".join(kept)
