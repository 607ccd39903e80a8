"""Server-sent events, decoded piece by piece as they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_LINE = 4_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `name` is empty where the server gave none."""

    name: str
    data: bytes


@dataclass(slots=True)
class Decoder:
    """Takes bytes in any portions and gives whole events; an event cut off by the end is dropped.

    Raises ValueError when a line, or the data of one event, grows beyond `max_line` bytes.
    """

    max_line: int = MAX_LINE
    _rest: bytearray = field(default_factory=bytearray)
    _searched: int = 0
    _name: str = ""
    _data: list[bytes] = field(default_factory=list)
    _size: int = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events completed by these bytes."""
        self._rest += chunk
        start = 0
        while (end := self._rest.find(b"\n", max(start, self._searched))) >= 0:
            line = bytes(self._rest[start:end]).removesuffix(b"\r")
            start = end + 1
            if event := self._take(line):
                yield event
        del self._rest[:start]
        self._searched = len(self._rest)  # a long line is searched once, not again with every portion
        self._check(self._searched)

    def _take(self, line: bytes) -> Event | None:
        if not line:
            event = Event(self._name, b"\n".join(self._data)) if self._data else None
            self._name, self._data, self._size = "", [], 0
            return event
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            self._check(self._size)
        return None

    def _check(self, size: int) -> None:
        if size > self.max_line:
            raise ValueError(f"one event is larger than {self.max_line:,} bytes")
