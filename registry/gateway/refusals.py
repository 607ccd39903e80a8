"""What the gateway answers when it answers itself: errors in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

INVALID, UNAUTHORIZED, FORBIDDEN = "invalid_request_error", "authentication_error", "permission_error"
LIMITED, UNAVAILABLE = "rate_limit_error", "server_error"


class Refusal(Exception):
    """A request that is not forwarded: status, a sentence for people, and OpenAI's type, code and param."""

    def __init__(
        self, status: int, message: str, *, kind: str = INVALID, code: str | None = None, param: str | None = None,
        retry_after: int | None = None, headers: tuple[Header, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.param = status, message, kind, code, param
        self.headers: tuple[Header, ...] = headers
        if retry_after is not None:
            self.headers += ((b"retry-after", str(max(1, retry_after)).encode()),)

    @property
    def body(self) -> bytes:
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return orjson.dumps({"error": error})

    async def send(self, send: Send, headers: tuple[Header, ...] = ()) -> None:
        """Answers with it; `headers` besides its own."""
        await answer(send, self.status, self.body, self.headers + headers)


async def answer(send: Send, status: int, body: bytes, headers: tuple[Header, ...] = ()) -> None:
    """Sends a whole JSON answer of ours."""
    own = ((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers)
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})
