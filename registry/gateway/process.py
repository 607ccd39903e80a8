"""What one web process keeps for the gateway, and the threads that serve it."""

from __future__ import annotations

import atexit
import threading
from pathlib import Path

from django.conf import settings

from registry.gateway.exchange import Exchange
from registry.gateway.limits import Limits
from registry.gateway.refreshing import Refresher
from registry.gateway.reporting import Reporter
from registry.gateway.spool import Spool
from registry.gateway.traffic import Traffic
from registry.gateway.writing import Writer

SPOOL = "spool"
MEASURABLE = 200  # tokens of a prompt whose characters say something


class Process:
    """Made with the app, started by the first request, or by the first page when an ended process left records behind.

    A process that carries no request has no threads and no spool.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: where the spool is, by default in the data directory."""
        self._folder = folder
        self.traffic, self.limits = Traffic(), Limits()
        self.reporter = Reporter(self)
        self.refresher = Refresher(self.traffic, self.reporter.register)
        self.used_tokens: set[int] = set()
        self.refusing_usage: set[int] = set()  # servers that do not tell the usage of a stream
        self.measured: dict[int, tuple[int, int]] = {}  # characters and tokens of prompts, by model
        self._lock = threading.Lock()
        self._started = self._looked = False

    def start(self) -> None:
        """Starts what runs in the background, once."""
        if not self._started:
            with self._lock:
                self._start()

    def look(self) -> None:
        """At the first page: starts when a process that is gone left records behind."""
        if not self._looked:
            self._looked = True
            folder = self._spool_folder
            if folder.is_dir() and any(folder.iterdir()):
                self.start()

    @property
    def _spool_folder(self) -> Path:
        return self._folder or settings.DATA_DIR / SPOOL

    def _start(self) -> None:
        if self._started:  # by another thread, meanwhile
            return
        self.spool = Spool(self._spool_folder)
        self.writer = Writer(self.spool).start()
        self.refresher.start()
        self.reporter.start()
        atexit.register(self.stop)
        self._started = True

    def stop(self) -> None:
        """Ends the threads; what is not written yet stays in the spool for the next process."""
        with self._lock:
            if not self._started:
                return
            self._started = False
        atexit.unregister(self.stop)
        self.refresher.stop()
        self.reporter.stop()
        self.writer.stop()
        self.spool.close()

    def note(self, exchange: Exchange) -> None:
        """Takes from a request that has ended what limits and estimates need."""
        tokens = exchange.spent
        if not tokens:
            return
        told, out = tokens["tokens_in"], tokens["tokens_out"]
        self.limits.spend(exchange.token, told + out)
        choice, asked = exchange.choice, exchange.asked
        if choice and not tokens["estimated"] and asked.plain and told >= MEASURABLE:
            characters, before = self.measured.get(choice.model.pk, (0, 0))
            self.measured[choice.model.pk] = characters + asked.characters, before + told
