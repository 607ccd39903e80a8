"""Asks one server one thing, from code that waits for the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from registry import sealing
from registry.lmstudio import LMStudio
from registry.lmstudio.wire import Listing
from registry.models import Server
from registry.waiting import wait_for

LISTING_SECONDS = 12.0  # for connecting, waiting and reading

Answer = TypeVar("Answer")


def ask(
    server: Server, action: Callable[[LMStudio], Awaitable[Answer]], look: Callable[[], None] | None = None
) -> Answer:
    """What `action` gets; raises LMStudioError, or ValueError for a token that is lost; `look` as in `wait_for`."""
    try:
        token = server.token or None
    except sealing.Unreadable as error:
        raise ValueError(f"{server}: {error}") from error

    async def call() -> Answer:
        async with LMStudio(server.base_url, token, listing_timeout=LISTING_SECONDS) as studio:
            return await action(studio)

    return wait_for(call, look)


def listing(server: Server, look: Callable[[], None] | None = None) -> Listing:
    """What `server` says it has; raises as `ask` does."""
    return ask(server, lambda studio: studio.list_models(), look)
