"""One HTTP exchange with a server: deadlines, size limits, and every failure turned into one of our errors."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx

from registry.lmstudio import refusals, strict_json
from registry.lmstudio.errors import (
    BadReply,
    ForbiddenAddress,
    LMStudioError,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from registry.lmstudio.transport import CheckedTransport, Forbidden

MAX_BODY = 8_000_000
_LOST = ("peer closed", "disconnected", "connection reset")


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: `doing` completes "when asked to ..."; times in seconds, sizes in bytes."""

    method: str
    path: str
    doing: str
    body: dict[str, Any] | None = None
    timeout: float | None = None
    idle_timeout: float | None = None
    max_body: int = MAX_BODY
    loading: bool = False


class Exchange:
    """Sends calls to one server; holds no connection between calls."""

    def __init__(self, server: str, token: str | None, connect_timeout: float) -> None:
        self.server = server
        self._connect_timeout = connect_timeout
        headers = {"Accept-Encoding": "identity"}  # a compressed answer could be a bomb
        if token and not (token.isascii() and token.isprintable()):
            raise Unauthorized(server, "cannot be sent this token: it holds characters no token has")
        self._token_sent = bool(token)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.AsyncClient(
            headers=headers,
            transport=CheckedTransport(https=server.startswith("https:")),
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close whatever is still open."""
        await self._http.aclose()

    @contextlib.asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[httpx.Response]:
        """The answer with its head read; leaving the block closes the connection. Raises LMStudioError."""
        timeout = httpx.Timeout(call.idle_timeout or call.timeout, connect=self._connect_timeout, pool=None)
        url = self.server + call.path
        with self._failures(call), anyio.move_on_after(call.timeout) as deadline:
            async with self._http.stream(call.method, url, json=call.body, timeout=timeout) as answer:
                self._check_head(answer)
                yield answer
        if deadline.cancelled_caught:
            raise TimedOut(self.server, f"was not done within {call.timeout:g} s when asked to {call.doing}")

    async def json(self, call: Call) -> tuple[Any, float]:
        """The decoded answer, checked for error reports, and the seconds until its first byte."""
        started = time.monotonic()
        async with self.open(call) as answer:
            seconds = time.monotonic() - started
            data = bytearray()
            async for chunk in self.chunks(answer, call):
                data += chunk
        return self.decoded(bytes(data), answer.status_code, call), seconds

    async def chunks(self, answer: httpx.Response, call: Call) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, up to the limit of the call."""
        left = call.max_body
        async for chunk in answer.aiter_raw():
            left -= len(chunk)
            if left < 0:
                raise self.bad_reply(call, f"it is longer than {call.max_body:,} bytes")
            yield chunk

    def decoded(self, data: bytes, status: int, call: Call) -> Any:
        """The JSON of an answer; an error report or a failed status is raised, whatever the status says."""
        try:
            body = strict_json.loads(data)
        except ValueError as error:
            if status != 200:
                raise self._status_error(status, call) from error
            raise self.bad_reply(call, error) from error
        if report := refusals.read_report(body, status):
            raise self.reported_error(report, call)
        if status != 200:
            raise self._status_error(status, call)
        return body

    def reported_error(self, report: refusals.Report, call: Call) -> LMStudioError:
        """The error that a report of the server means."""
        return refusals.error_for(self.server, report, call.doing, loading=call.loading, token_sent=self._token_sent)

    def _status_error(self, status: int, call: Call) -> LMStudioError:
        return refusals.error_for_status(
            self.server, status, call.doing, loading=call.loading, token_sent=self._token_sent
        )

    def bad_reply(self, call: Call, reason: object) -> BadReply:
        """The error for an answer that is not as promised."""
        return BadReply(self.server, f"gave an unusable answer when asked to {call.doing}: {reason}")

    def _check_head(self, answer: httpx.Response) -> None:
        if answer.is_redirect:
            target = ascii(answer.headers.get("location", "nowhere")[:200])[1:-1]
            raise BadReply(self.server, f"redirects to {target}", "enter the final address of LM Studio itself")
        encoding = answer.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise BadReply(self.server, "sent a compressed answer although none was asked for")

    @contextlib.contextmanager
    def _failures(self, call: Call) -> Iterator[None]:
        server = self.server
        try:
            yield
        except Forbidden as error:
            raise ForbiddenAddress(server, f"is not allowed: {error}") from error
        except httpx.ConnectTimeout as error:
            raise TimedOut(server, f"did not accept a connection within {self._connect_timeout:g} s") from error
        except httpx.TimeoutException as error:
            raise TimedOut(server, f"fell silent when asked to {call.doing}") from error
        except httpx.ConnectError as error:
            raise Unreachable(server, f"cannot be reached ({error})") from error
        except httpx.RemoteProtocolError as error:
            if any(sign in str(error).lower() for sign in _LOST):
                raise Unreachable(server, f"closed the connection when asked to {call.doing}") from error
            raise self.bad_reply(call, "it is not HTTP") from error
        except httpx.TransportError as error:
            raise Unreachable(server, f"lost the connection when asked to {call.doing}") from error
