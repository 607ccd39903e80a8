"""Hears what workers announce and hands it to every open event stream of this process.

One daemon thread per process listens to the broker: an asyncio task started inside a request would die with it.
Without a broker nothing is heard, and streams live on their ticks.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis
from django.conf import settings

from registry.announcing import CHANNEL

MAX_PENDING = 200  # changes kept for a slow client; with more, it is told to look at everything again
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
HEALTH_SECONDS = 10  # a broker that is silent is asked whether it is still there
LOOK_SECONDS = 5  # how often the thread looks whether it is still needed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """One announcement: something of `kind` changed; `data` holds its `id` and what else was said."""

    kind: str
    data: dict[str, Any]


TICK = Change("tick", {})  # anything may have changed


@dataclass(eq=False)
class Listener:
    """The changes one open stream has still to tell. Touched only in its event loop."""

    kinds: frozenset[str]
    loop: asyncio.AbstractEventLoop
    _pending: dict[tuple[str, Any], Change] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, change: Change) -> None:
        """Keeps a change; the same object changed twice is told once, with its latest state."""
        if change is TICK or len(self._pending) >= MAX_PENDING:
            self._pending.clear()
            change = TICK
        self._pending.pop((change.kind, change.data.get("id")), None)
        self._pending[change.kind, change.data.get("id")] = change
        self._wake.set()

    async def take(self, seconds: float) -> list[Change]:
        """What has changed, oldest first; a tick when nothing did for `seconds`."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return [TICK]
        self._wake.clear()
        changes = list(self._pending.values())
        self._pending.clear()
        return changes


class Hub:
    """Fans the announcements out to the listeners of this process."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def listener(self, kinds: frozenset[str]) -> Iterator[Listener]:
        """A listener of the running event loop for announcements of these kinds."""
        new = Listener(kinds, asyncio.get_running_loop())
        with self._lock:
            self._listeners.add(new)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._listen, name="listening", daemon=True)
                self._thread.start()
        try:
            yield new
        finally:
            with self._lock:
                self._listeners.discard(new)

    def tell(self, change: Change) -> None:
        """Hands a change to every listener that wants its kind. Safe in any thread."""
        with self._lock:
            listeners = [each for each in self._listeners if change is TICK or change.kind in each.kinds]
        for each in listeners:
            try:
                each.loop.call_soon_threadsafe(each.put, change)
            except RuntimeError:  # its event loop is closed
                with self._lock:
                    self._listeners.discard(each)

    def _needed(self) -> bool:
        """Whether anybody listens; if not, the thread is done for."""
        with self._lock:
            if not self._listeners:
                self._thread = None
            return self._thread is not None

    def _listen(self) -> None:
        failures = 0
        while self._needed():
            try:
                for change in self._heard():
                    failures = 0
                    self.tell(change)
            except (redis.RedisError, OSError) as error:
                log.debug("nothing is heard: %s", error)
            time.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    def _heard(self) -> Iterator[Change]:
        """What the broker says, from one connection; first a tick, since something may have been missed."""
        client = redis.Redis.from_url(
            settings.REDIS_CLIENT_URL,
            socket_connect_timeout=2,
            socket_timeout=HEALTH_SECONDS,
            health_check_interval=HEALTH_SECONDS,
        )
        with client, client.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(CHANNEL)
            channel.get_message(timeout=2)
            yield TICK
            while self._listeners:
                message = channel.get_message(timeout=LOOK_SECONDS)
                change = _read(message["data"]) if message else None
                if change is not None:
                    yield change


def _read(body: bytes) -> Change | None:
    """The change behind one message; None for what is not one of ours."""
    try:
        data = json.loads(body)
        return Change(str(data.pop("kind")), data)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


hub = Hub()
