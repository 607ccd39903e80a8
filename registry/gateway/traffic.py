"""What this process is carrying: requests in flight by instance, and the table that choices are made by."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from registry.gateway.asking import Asked
from registry.gateway.choosing import Choice, choose
from registry.gateway.routes import Meaning, Table


@dataclass(frozen=True)
class Seen:
    """What the process says of itself: see GatewayProcess."""

    knows: datetime | None
    in_flight: dict[str, int]
    last_used: dict[str, datetime]


class Traffic:
    """Counts what is in flight; a choice and its count are one step, so that who drains an instance sees both or none.

    Whoever reads `knows` and the counts together (`seen`) can rely on it: a request that is not counted yet will be
    decided by that table, or a newer one.
    """

    def __init__(self) -> None:
        self.table = Table()
        self._lock = threading.Lock()
        self._in_flight: dict[str, int] = {}
        self._last_used: dict[str, datetime] = {}

    def replace(self, table: Table) -> None:
        with self._lock:
            self.table = table

    def take(self, registry: int, asked: Asked, avoided: Collection[int]) -> tuple[Meaning, Choice] | None:
        """Chooses who answers and counts it; None when the name means nothing here. Raises Refusal."""
        with self._lock:
            meaning = self.table.names.get((registry, asked.model))
            if meaning is None or not meaning.models:
                return None
            choice = choose(meaning, asked, self._in_flight, avoided)
            if choice.instance is not None:
                key = choice.instance.key
                self._in_flight[key] = self._in_flight.get(key, 0) + 1
        return meaning, choice

    def leave(self, choice: Choice) -> None:
        """The request has ended."""
        if choice.instance is None:
            return
        key = choice.instance.key
        with self._lock:
            self._in_flight[key] -= 1
            if not self._in_flight[key]:
                del self._in_flight[key]
            self._last_used[key] = datetime.now(UTC)

    def seen(self) -> Seen:
        """All of it at one moment."""
        with self._lock:
            return Seen(self.table.knows, dict(self._in_flight), dict(self._last_used))
