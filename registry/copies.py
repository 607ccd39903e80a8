"""The loaded copies of a server: each registry that has the model keeps a row of the same copy; here they are one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from registry import draining
from registry.models import GatewayProcess, Instance, Server
from registry.models.instance import LoadedBy


@dataclass(frozen=True)
class Copy:
    """One loaded copy; `instance` stands for its `rows`, of which there is one per registry."""

    instance: Instance
    rows: tuple[Instance, ...]

    @property
    def instance_id(self) -> str:
        return self.instance.instance_id

    @property
    def key(self) -> str:
        return draining.key_of(self.instance.server_id, self.instance.instance_id)

    @property
    def pinned(self) -> bool:
        """Pinned in any registry: it stays for all."""
        return any(row.model.pinned for row in self.rows)

    @property
    def loaded_by(self) -> str:
        return self.instance.loaded_by

    @property
    def loaded(self) -> datetime:
        return min(row.first_seen for row in self.rows)

    @property
    def draining(self) -> bool:
        return any(row.draining for row in self.rows)

    @property
    def measured_bytes(self) -> int | None:
        return next((row.memory_bytes for row in self.rows if row.memory_bytes), None)

    def used(self, uses: Uses) -> datetime | None:
        """Its last request through LMStrix, as far as it was noted."""
        noted = [row.last_used for row in self.rows if row.last_used]
        return max([*noted, *uses.last.get(self.key, ())], default=None)


@dataclass(frozen=True)
class Uses:
    """What the processes of the gateway said last: requests in flight, and moments of requests, by copy."""

    in_flight: dict[str, int]
    last: dict[str, list[datetime]]


def on(server: Server, rows: Iterable[Instance] | None = None) -> list[Copy]:
    """The copies loaded on `server`, by id; `rows`: its instances with their models, where they are read already."""
    if rows is None:
        rows = Instance.objects.filter(server=server).select_related("model")
    families: dict[str, list[Instance]] = defaultdict(list)
    for row in rows:
        families[row.instance_id].append(row)
    return [Copy(_speaker(family), tuple(family)) for _, family in sorted(families.items())]


def uses() -> Uses:
    """What is in flight now, and what was used when."""
    in_flight: dict[str, int] = defaultdict(int)
    last: dict[str, list[datetime]] = defaultdict(list)
    silent = timezone.now() - draining.SILENT
    for process in GatewayProcess.objects.all():
        for key, count in process.in_flight.items() if process.seen >= silent else ():
            in_flight[key] += int(count)
        for key, moment in process.last_used.items():
            if at := _moment(moment):
                last[key].append(at)
    return Uses(in_flight, last)


def _moment(text: object) -> datetime | None:
    at = parse_datetime(text) if isinstance(text, str) else None
    return at if at and timezone.is_aware(at) else None


def _speaker(family: list[Instance]) -> Instance:
    """The row that knows who loaded it; the others only saw that it is there."""
    return min(family, key=lambda row: (row.loaded_by == LoadedBy.OTHERS, row.pk))
