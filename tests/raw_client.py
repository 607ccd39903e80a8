"""A fast HTTP/1.1 client on one kept connection that notes when each piece of a body came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

Clock = time.perf_counter


class Lost(ConnectionError):
    """The connection ended before the answer did; `answer` is what had come."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the connection ended before the answer did")
        self.answer = answer


@dataclass(slots=True)
class Answer:
    """What came; times in seconds: `sent` on the clock, `times` of the body's pieces, `ended` after sending."""

    sent: float
    status: int = 0
    head: bytes = b""
    body: bytearray = field(default_factory=bytearray)
    times: list[float] = field(default_factory=list)
    ended: float = 0
    complete: bool = False

    @property
    def first(self) -> float:
        """Seconds until the first byte of the body."""
        return self.times[0] if self.times else self.ended

    def header(self, name: str) -> str:
        """A header's value, empty where there is none."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name:
                return value.strip()
        return ""


class RawClient(asyncio.Protocol):
    """One connection, one request at a time.

    client = await RawClient.open(port)
    answer = await client.post("/v1/chat/completions", body, {"Authorization": "Bearer x"})
    answer = await client.post(..., leave_after=500)   # goes away after so many bytes of the body
    """

    transport: asyncio.Transport

    def __init__(self, port: int) -> None:
        self.port = port
        self.buffer = b""
        self.answer: Answer | None = None
        self.left = 0  # bytes of the body, or of the chunk, that are still to come; -1: until the connection ends
        self.chunked = False
        self.leave_after: int | None = None
        self.done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.is_open = False

    @classmethod
    async def open(cls, port: int) -> Self:
        """A connection to a port of this host."""
        client = cls(port)
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
        return client

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], leave_after: int | None = None) -> Answer:
        """The whole answer; raises Lost when the connection ends early, also by `leave_after`."""
        return await self.send(request(path, body, headers, self.port), leave_after)

    async def send(self, data: bytes, leave_after: int | None = None) -> Answer:
        """Sends a request that was made with `request()`."""
        self.leave_after, self.buffer, self.done = leave_after, b"", asyncio.get_running_loop().create_future()
        self.answer = Answer(Clock())
        if not self.is_open:
            raise Lost(self.answer)
        self.transport.write(data)
        return await self.done

    def close(self) -> None:
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.is_open = transport, True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self.answer and not self.done.done():
            if self.answer.head and self.left == -1 and not self.chunked and error is None:
                self.finish()
            else:
                self.done.set_exception(Lost(self.answer))

    def data_received(self, data: bytes) -> None:
        now, answer = Clock(), self.answer
        if answer is None or self.done.done():
            return
        self.buffer += data
        if not answer.head and not self.read_head(answer):
            return
        before = len(answer.body)
        ended = self.read_chunks(answer) if self.chunked else self.read_plain(answer)
        if len(answer.body) > before:
            answer.times.append(now - answer.sent)
        if ended:
            self.finish()
        elif self.leave_after is not None and len(answer.body) >= self.leave_after:
            self.transport.abort()

    def read_head(self, answer: Answer) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        answer.head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
        answer.status = int(answer.head[9:12])
        head = answer.head.lower()
        self.chunked = b"transfer-encoding: chunked" in head
        at = head.find(b"\r\ncontent-length:")
        self.left = 0 if self.chunked else int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else -1
        return True

    def read_plain(self, answer: Answer) -> bool:
        answer.body += self.buffer
        if self.left >= 0:
            self.left -= len(self.buffer)
        self.buffer = b""
        return self.left == 0

    def read_chunks(self, answer: Answer) -> bool:
        """Takes whole and begun chunks out of the buffer; whether the last has come."""
        while self.buffer:
            if self.left:
                piece, self.buffer = self.buffer[: self.left], self.buffer[self.left :]
                self.left -= len(piece)
                answer.body += piece
                continue
            line, found, rest = self.buffer.removeprefix(b"\r\n").partition(b"\r\n")
            if not found:
                return False
            size = int(line.split(b";")[0], 16)
            if size == 0:
                return rest.startswith(b"\r\n")
            self.left, self.buffer = size, rest
        return False

    def finish(self) -> None:
        assert self.answer is not None
        self.answer.ended = Clock() - self.answer.sent
        self.answer.complete = True
        self.done.set_result(self.answer)


def request(path: str, body: bytes, headers: Mapping[str, str], port: int) -> bytes:
    """A POST of JSON as bytes."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
