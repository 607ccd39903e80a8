"""Who may come in: the host, the token and the size of a request, checked here since Django sees none of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from registry.gateway.refusals import FORBIDDEN, UNAUTHORIZED, Refusal
from registry.gateway.routes import Table, TokenRoute
from registry.models.login_link import digest

Headers = Iterable[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BODY_SECONDS = 60.0  # for all of a body to arrive
CLOSE = ((b"connection", b"close"),)
_TOKEN = re.compile(rb"bearer +([\x21-\x7e]{1,200}) *", re.IGNORECASE)


class Gone(Exception):
    """The client left before it had said what it wants."""


def only(headers: Headers, name: bytes) -> bytes | None:
    """The header `name`; None when it is not there, or there more than once."""
    found = [value for key, value in headers if key == name]
    return found[0] if len(found) == 1 else None


def check_host(headers: Headers) -> None:
    """Refuses (400) a request that was meant for another host: what Django does with ALLOWED_HOSTS."""
    host = only(headers, b"host")
    if host is None or not _is_allowed(host, tuple(settings.ALLOWED_HOSTS)):
        raise Refusal(
            400, "LMStrix is not called by this name; add it to LMSTRIX_ALLOWED_HOSTS.",
            code="host_not_allowed", headers=CLOSE,
        )  # fmt: skip


@lru_cache(maxsize=1000)
def _is_allowed(host: bytes, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, allowed)


def secret_of(headers: Headers) -> str:
    """The bearer token that was sent; Refusal (401) when there is none."""
    sent = only(headers, b"authorization")
    match = _TOKEN.fullmatch(sent) if sent else None
    if match is None:
        raise unauthorized("Send an API token of LMStrix: Authorization: Bearer lmx_...")
    return match[1].decode("ascii")


def unauthorized(message: str) -> Refusal:
    challenge = ((b"www-authenticate", b"Bearer"), *CLOSE)
    return Refusal(401, message, kind=UNAUTHORIZED, code="invalid_api_key", headers=challenge)


def holder(table: Table, secret: str) -> TokenRoute | None:
    """The token behind `secret`: found by its digest, so that no time tells how near a guess was."""
    return table.tokens.get(digest(secret))


def check_role(token: TokenRoute) -> None:
    if not token.operates:
        message = f"This takes the role operator, and the token {token.name} has the role {token.role}."
        raise Refusal(403, message, kind=FORBIDDEN, code="insufficient_role", headers=CLOSE)


async def body(headers: Headers, receive: Receive, most: int) -> bytes:
    """The whole body; Refusal (413) when it has more than `most` bytes, before more of it is read."""
    told = only(headers, b"content-length")
    if told is not None and told.isdigit() and int(told[:20]) > most:
        raise _too_large(most)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        data: bytes = message.get("body", b"")
        if len(data) > most:
            raise _too_large(most)
        return data
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _rest(message, receive, most)
    except TimeoutError:
        raise Refusal(408, "The body did not arrive in time.", code="timeout", headers=CLOSE) from None


async def _rest(message: MutableMapping[str, Any], receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    while True:
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def _too_large(most: int) -> Refusal:
    message = f"The body is larger than {most:,} bytes; LMSTRIX_GATEWAY_BODY_BYTES sets the limit."
    return Refusal(413, message, code="request_too_large", headers=CLOSE)
