"""Web processes that carry requests, as threads: they keep to the protocol of `draining`, on the real tables."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from django.db import connection
from django.db.models.functions import Now

from registry import draining
from registry.models import GatewayProcess, Instance, Server


@dataclass
class Traffic:
    """What is really in flight, by copy, over all processes; `broken` are requests to a copy that was unloaded."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    in_flight: Counter[str] = field(default_factory=Counter)
    unloaded: set[str] = field(default_factory=set)
    served: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def unload(self, key: str) -> None:
        with self.lock:
            if self.in_flight[key]:
                self.broken.append(f"{key} unloaded under {self.in_flight[key]} requests")
            self.unloaded.add(key)


class Carrier:
    """A process that sends random requests to the copies of a server until its context ends."""

    def __init__(self, server: Server, traffic: Traffic, *, seed: int = 0, turn: float = 0.03, busy: float = 0.5):
        self.server, self.traffic, self.dice = server, traffic, random.Random(seed)
        self.turn_seconds, self.busy, self.name = turn, busy, f"elsewhere:{seed}:0"
        self.open: tuple[str, ...] = ()
        self.own: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._tables, self._requests)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def _tables(self) -> None:
        """Reads the tables, then says what it knows and carries."""
        try:
            while not self._over.wait(self.turn_seconds):
                knows = Server.objects.values_list(Now(), flat=True).get(pk=self.server.pk)
                rows = list(Instance.objects.filter(server=self.server))
                drained = {row.instance_id for row in rows if row.draining}
                copies = {row.instance_id for row in rows} - drained
                self.open = tuple(sorted(draining.key_of(self.server.pk, name) for name in copies))
                with self.traffic.lock:
                    carried = dict(+self.own)
                said = {"seen": Now(), "knows": knows, "in_flight": carried}
                GatewayProcess.objects.update_or_create(name=self.name, defaults=said)
        finally:
            connection.close()

    def _requests(self) -> None:
        """One request after another, each to a copy that was open when it was chosen."""
        while not self._over.is_set():
            with self.traffic.lock:  # choosing and counting are one step
                key = self.dice.choice(self.open) if self.open and self.dice.random() < self.busy else ""
                if key in self.traffic.unloaded:
                    self.traffic.broken.append(f"a request was sent to {key} after its unload")
                if key:
                    self.own[key] += 1
                    self.traffic.in_flight[key] += 1
            time.sleep(self.dice.uniform(0, 0.05))
            with self.traffic.lock:
                if key:
                    self.own[key] -= 1
                    self.traffic.in_flight[key] -= 1
                    self.traffic.served[key] += 1
