"""Speaks to the servers: connections that are kept, and lead only to addresses that may be connected to."""

from __future__ import annotations

import asyncio
import socket
import weakref
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
    """Nothing of the request can have arrived: another server may be asked."""


class Broken(Exception):
    """The connection ended, or was silent for too long, before the answer was whole."""


def broken(error: BaseException) -> Broken:
    silent = isinstance(error, TimeoutError)
    return Broken(f"it was silent for {SILENT_SECONDS:.0f} s" if silent else f"{type(error).__name__}: {error}")


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
            raise Unreached(str(error)) from error
        except FAILURES as error:
            raise broken(error) from error

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
