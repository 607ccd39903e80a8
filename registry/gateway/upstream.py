"""Speaks to the servers: connections that are kept, and lead only to addresses that may be connected to."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import weakref
from collections.abc import Iterator
from typing import Any

import aiohttp
from yarl import URL

from registry.gateway.routes import ServerRoute
from registry.lmstudio.address import why_forbidden

CONNECT_SECONDS = 5.0
SILENT_SECONDS = 900.0  # a long prompt on a slow machine is read for minutes before the first token

_HEADERS = {"Content-Type": "application/json", "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "LMStrix"}
_AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")

Answer = aiohttp.ClientResponse
FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class Unreached(Exception):
    """Nothing of the request can have arrived: another server may be asked. Its text says why, in a few words."""


class Broken(Exception):
    """The connection ended, or was silent for too long, before the answer was whole: its text says what it did."""


def unreached(error: BaseException) -> Unreached:
    """Why no connection could be made, for people: nothing of addresses and libraries."""
    for cause in _causes(error):
        if reason := _reason(cause):
            return Unreached(reason)
    return Unreached("no connection can be made")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__


def _reason(error: BaseException) -> str:
    match error:
        case aiohttp.InvalidURL():
            return "its address cannot be read"
        case ForbiddenAddress():
            return "LMStrix does not connect to such an address"
        case socket.gaierror():
            return "its name is not known"
        case ssl.SSLError():
            return "no secure connection can be made"
        case aiohttp.ClientOSError():
            return ""  # a wrapper; its number may be one of TLS
        case TimeoutError():
            return "it was silent for too long"
        case OSError(errno=int(number)) if number in errno.errorcode:
            return os.strerror(number).lower()
    return ""


def broken(error: BaseException, what: str = "broke off its answer") -> Broken:
    """What the server did, for people: `what`, unless it was silent."""
    return Broken(f"was silent for {SILENT_SECONDS:.0f} s" if isinstance(error, TimeoutError) else what)


async def whole(answer: Answer) -> bytes:
    """All of an answer's body."""
    try:
        return await answer.read()
    except FAILURES as error:
        raise broken(error) from error


async def more(answer: Answer) -> bytes:
    """What has come of it since; empty at its end."""
    try:
        return await answer.content.readany()
    except FAILURES as error:
        raise broken(error) from error


class ForbiddenAddress(OSError):
    """The host leads to an address that is never connected to."""


def checked_socket(info: Any) -> socket.socket:
    """A socket for the very address that it will be connected to, if that is allowed."""
    family, kind, protocol, _, address = info
    if reason := why_forbidden(address[0].partition("%")[0]):
        raise ForbiddenAddress(f"{address[0]} is {reason}")
    fresh = socket.socket(family, kind, protocol)
    fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return fresh


class Upstream:
    """One pool of connections for each event loop."""

    def __init__(self) -> None:
        self._sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            weakref.WeakKeyDictionary()
        )
        self._closing: set[asyncio.Task[None]] = set()
        self._urls: dict[tuple[str, str], URL] = {}

    async def ask(self, server: ServerRoute, path: str, body: bytes) -> Answer:
        """Sends `body`; gives the answer when its head is there. Nothing of the client's head goes along.

        Raises Unreached when no connection could be made, Broken when it ended without an answer.
        """
        headers = {**_HEADERS, "Authorization": f"Bearer {server.token}"} if server.token else _HEADERS
        url = self._urls.get((server.base_url, path))
        if url is None:
            url = self._urls[server.base_url, path] = URL(server.base_url + path)
        try:
            return await self._session().post(url, data=body, headers=headers, allow_redirects=False)
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, aiohttp.ConnectionTimeoutError) as error:
            raise unreached(error) from error
        except FAILURES as error:
            raise broken(error, "broke the connection off before it answered") from error

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, socket_factory=checked_socket, keepalive_timeout=30, ttl_dns_cache=10
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=_AUTOMATIC,
            )
            self._closing.add(loop.create_task(_closed_with_its_loop(session)))
        return session


async def _closed_with_its_loop(session: aiohttp.ClientSession) -> None:
    """Waits until the event loop ends, which cancels what waits, and closes the connections."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await session.close()
