"""Event streams: what changed, told at once; a tick at the start and then every 15 seconds heals what was lost."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from registry.listening import TICK, Change, hub

PAGE_KINDS = frozenset({"job", "server", "state"})
API_KINDS = frozenset({"job", "state", "health"})
TICK_SECONDS = 15.0
RETRY_SECONDS = 2.0
LIFE_SECONDS = 300.0  # then the client comes again, and whether it may is asked again


@require_GET
@login_not_required  # a stream cannot follow a redirect to the login page
def events(request: HttpRequest) -> HttpResponseBase:
    """The stream of pages: events `job`, `server`, `state` and `tick`, each with the `id` of what changed."""
    if not request.user.is_authenticated:
        return HttpResponse("Sign in first.", status=401, content_type="text/plain; charset=utf-8")
    return stream(PAGE_KINDS)


def stream(kinds: frozenset[str]) -> StreamingHttpResponse:
    """An endless answer that tells changes of `kinds` as server-sent events."""
    if not connection.in_atomic_block:
        connection.close()  # an open stream must not keep a database connection from the pool
    headers = {"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(told(kinds), content_type="text/event-stream; charset=utf-8", headers=headers)


async def told(kinds: frozenset[str]) -> AsyncIterator[bytes]:
    """The bytes of one stream; ends by itself after some minutes, at once when the client goes."""
    end = time.monotonic() + LIFE_SECONDS
    with hub.listener(kinds) as listener:
        yield f"retry: {int(RETRY_SECONDS * 1000)}\n\n".encode() + _event(TICK)
        while time.monotonic() < end:
            for change in await listener.take(TICK_SECONDS):
                yield _event(change)


def _event(change: Change) -> bytes:
    return f"event: {change.kind}\ndata: {json.dumps(change.data)}\n\n".encode()
