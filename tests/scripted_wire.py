"""HTTP/1.1 of the scripted upstream: requests in, whole, raw and paced answers out, on raw asyncio connections."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from tests.scripted_openai import ScriptedOpenAI


class Ending(Enum):
    """How a stream ends badly."""

    CUT = auto()
    RESET = auto()


CUT, RESET = Ending.CUT, Ending.RESET


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as bytes: its body in the pieces that are written one by one, framed by `framing`.

    `framing`: "chunked", "length" or "close" (the body lasts until the connection ends).
    """

    pieces: tuple[bytes, ...]
    content_type: bytes = b"text/event-stream"
    framing: str = "chunked"
    status: int = 200


@dataclass(frozen=True, slots=True)
class Paced:
    """An event stream whose pieces come over time; a client that goes away is counted under `prompt`."""

    pieces: AsyncIterator[bytes | Ending]
    prompt: str


@dataclass(frozen=True, slots=True)
class Request:
    """What came: `head` in lower case as it was sent, `body` decoded from chunks."""

    method: str
    path: str
    head: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


Reply = bytes | Raw | Paced
FRAMINGS = {"chunked": b"Transfer-Encoding: chunked", "close": b"Connection: close"}


def whole(value: Any, status: int = 200) -> bytes:
    """A whole answer of JSON."""
    data = orjson.dumps(value)
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status, len(data), data,
    )  # fmt: skip


class Connection(asyncio.Protocol):
    """One client: requests are answered one after another, a stream in a task of its own."""

    transport: asyncio.Transport

    def __init__(self, upstream: ScriptedOpenAI) -> None:
        self.upstream = upstream
        self.buffer = b""
        self.task: asyncio.Task[None] | None = None
        self.prompt = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.upstream.open_connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        self.upstream.open_connections -= 1
        if self.task:
            self.task.cancel()
            self.upstream.dropped[self.prompt] += 1
            self.upstream.dropped_at[self.prompt] = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.answer()

    def answer(self) -> None:
        """Answers what has come in full, up to a stream."""
        while self.task is None and (request := self.next_request()):
            reply = self.upstream.reply(request)
            if isinstance(reply, bytes):
                self.transport.write(reply)
            else:
                self.prompt = reply.prompt if isinstance(reply, Paced) else ""
                self.task = asyncio.get_running_loop().create_task(self.play(reply))

    def next_request(self) -> Request | None:
        """The first request of the buffer; None while a part of it is missing."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.buffer[:end].lower()
        if b"transfer-encoding: chunked" in head:
            body, rest = unchunked(self.buffer[end + 4 :])
        else:
            at = head.find(b"\r\ncontent-length:")
            size = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            body, rest = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            body = body if len(body) == size else None
        if body is None:
            return None
        self.buffer = rest
        method, target, _ = self.buffer_line(head)
        return Request(method.upper(), target, head, body)

    @staticmethod
    def buffer_line(head: bytes) -> list[str]:
        return head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")

    async def play(self, reply: Raw | Paced) -> None:
        self.upstream.in_flight += 1
        try:
            closing = await (self.play_raw(reply) if isinstance(reply, Raw) else self.play_paced(reply))
        finally:
            self.upstream.in_flight -= 1
        self.task = None
        if closing:
            self.transport.close()
        else:
            self.answer()

    async def play_raw(self, reply: Raw) -> bool:
        """Writes the pieces as they are; whether the connection ends with them."""
        size = sum(map(len, reply.pieces))
        framing = FRAMINGS.get(reply.framing) or b"Content-Length: %d" % size
        self.begin(reply.status, reply.content_type, framing)
        for piece in reply.pieces:
            self.transport.write(framed(piece) if reply.framing == "chunked" else piece)
            await asyncio.sleep(0)
        if reply.framing == "chunked":
            self.transport.write(b"0\r\n\r\n")
        return reply.framing == "close"

    async def play_paced(self, reply: Paced) -> bool:
        """Writes the pieces when they come; whether the connection ends with them."""
        self.begin(200, b"text/event-stream", FRAMINGS["chunked"])
        async for piece in reply.pieces:
            if isinstance(piece, Ending):
                if piece is RESET:
                    sock: socket.socket = self.transport.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return True
            if self.transport.is_closing():
                return True
            self.transport.write(framed(piece))
        self.transport.write(b"0\r\n\r\n")
        return False

    def begin(self, status: int, kind: bytes, framing: bytes) -> None:
        self.transport.write(b"HTTP/1.1 %d X\r\nContent-Type: %b\r\n%b\r\n\r\n" % (status, kind, framing))


def framed(piece: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def unchunked(data: bytes) -> tuple[bytes | None, bytes]:
    """A chunked body and what follows it; None while a part is missing."""
    parts: list[bytes] = []
    while True:
        line, found, data = data.partition(b"\r\n")
        size = int(line.split(b";")[0], 16) if found else 0
        if not found or len(data) < size + 2:
            return None, b""
        if size == 0:
            return b"".join(parts), data[2:]
        parts.append(data[:size])
        data = data[size + 2 :]
