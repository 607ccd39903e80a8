"""The way to the wire: resolves the host itself, checks every address, and connects to the address it checked."""

from __future__ import annotations

import functools
import socket
import ssl

import anyio
import anyio.to_thread
import httpx

from registry.lmstudio.address import is_link_local_v6, why_forbidden


class Forbidden(httpx.TransportError):
    """The host leads to an address that is never connected to."""


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects only to allowed addresses.

    Name resolution happens once per request and the request then carries the checked IP address, so a name that
    changes its mind in between (DNS rebinding) changes nothing. The Host header and the TLS name stay the name's.
    """

    def __init__(self, *, https: bool) -> None:
        # No connection is kept: each call is judged afresh, and a cancelled one leaves nothing behind.
        self._wire = httpx.AsyncHTTPTransport(
            verify=_tls_context() if https else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the first allowed address that accepts a connection."""
        host = request.url.host
        connect_timeout = request.extensions.get("timeout", {}).get("connect")
        try:
            with anyio.fail_after(connect_timeout):
                addresses = await _resolve(host, request.url.port or 0)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("its name was not resolved in time") from error
        failure: httpx.TransportError | None = None
        for address in _allowed(host, addresses):
            try:
                return await self._wire.handle_async_request(_addressed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or httpx.ConnectError("its name has no address")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()


@functools.cache
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads certificates from files; SSL_CERT_FILE adds a private authority


async def _resolve(host: str, port: int) -> list[str]:
    resolve = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        # A hanging name service must not hold up cancellation.
        found = await anyio.to_thread.run_sync(resolve, abandon_on_cancel=True)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError("its name cannot be resolved") from error
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    # IPv4 first: LM Studio listens there, and a silent IPv6 route would cost the whole connect deadline.
    return sorted(addresses, key=lambda address: ":" in address)


def _allowed(host: str, addresses: list[str]) -> list[str]:
    allowed = []
    for address in addresses:
        reason = why_forbidden(address)
        if reason is None:
            allowed.append(address)
        elif not (is_link_local_v6(address) and len(addresses) > 1):
            # One bad address condemns the name, except the fe80:: one that local name services list with the others.
            raise Forbidden(f"{host} leads to {address}, {reason}")
    if addresses and not allowed:
        raise Forbidden(f"{host} leads to link-local addresses only")
    return allowed


def _addressed(request: httpx.Request, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
