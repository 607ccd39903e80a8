"""Keeps the table of routes fresh: a thread reads it each second; while the database is down the last one stays."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from registry.gateway.reading import Name, Reader
from registry.gateway.traffic import Traffic

EVERY_SECONDS = 1.0
LEAST_SECONDS = 0.1  # between two readings, whoever asks
PATIENCE_SECONDS = 5.0  # a request waits for a reading
MOST_NAMES = 2000

log = logging.getLogger(__name__)


class Refresher:
    """Reads what was asked for by name lately, and all tokens, into `traffic.table`."""

    def __init__(self, traffic: Traffic, before: Callable[[], None]) -> None:
        """`before` is called once, before the first reading: no request is carried until it has succeeded."""
        self._traffic, self._reader = traffic, Reader()
        self._before: Callable[[], None] | None = before
        self._names: dict[Name, None] = {}
        self._lists: set[int] = set()
        self._lock = threading.Lock()
        self._wake, self._ending = threading.Event(), threading.Event()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[bool]]] = []
        self._thread: threading.Thread | None = None
        self.failing = False  # the last reading failed: the table is older than it should be

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="gateway-routes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5)

    def want(self, registry: int, name: str) -> None:
        """From the next reading on, says what this name means."""
        with self._lock:
            self._names[registry, name] = None
            while len(self._names) > MOST_NAMES:
                del self._names[next(iter(self._names))]

    def want_list(self, registry: int) -> None:
        with self._lock:
            self._lists.add(registry)

    async def renewed(self) -> bool:
        """Waits for a reading that begins from now on; False when it fails or takes too long."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        with self._lock:
            self._waiting.append((loop, future))
        self._wake.set()
        try:
            return await asyncio.wait_for(future, PATIENCE_SECONDS)
        except TimeoutError:
            return False

    def refresh(self) -> bool:
        """Reads once; False when the database does not answer, and the table stays as it is."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            names, lists = list(self._names), list(self._lists)
        try:
            if self._before is not None:
                self._before()
                self._before = None
            table = self._reader.read(names, lists)
        except Exception as error:  # this thread must not die, and a name that cannot be read must not stay
            if not self.failing or not isinstance(error, DatabaseError | InterfaceError):
                log.warning("The gateway goes on with what it knows: %s", str(error).strip(), exc_info=error)
            self.failing = True
            self._forget(names)
            connection.close()
        else:
            self.failing = False
            self._traffic.replace(table)
            self._forget(names)
        for loop, future in waiting:
            _tell(loop, future, not self.failing)
        return not self.failing

    def _forget(self, names: list[Name]) -> None:
        """Names that mean nothing by the table of now are asked for again when somebody wants them."""
        known = self._traffic.table.names
        with self._lock:
            self._names = {each: None for each in self._names if each in known or each not in names}

    def _run(self) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            self._wake.clear()
            self.refresh()
            self._wake.wait(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))
            self._ending.wait(max(0.0, LEAST_SECONDS - (time.monotonic() - began)))
        connection.close()


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[bool], good: bool) -> None:
    def set_result() -> None:
        if not future.done():
            future.set_result(good)

    with contextlib.suppress(RuntimeError):  # that loop has ended
        loop.call_soon_threadsafe(set_result)
