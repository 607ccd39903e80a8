"""What monitoring reads: requests, tokens, times, and what runs now, as numbers that programs compare over time.

The counters are sums of rollups, so they never fall, whichever process is asked and however often it was restarted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone

from registry import draining, usage_names
from registry.models import Delivery, GatewayProcess, Instance, Job, Server
from registry.models.usage import Period, Rollup, Scope
from registry.sketches import TOPS, Sketch

OUTCOMES = {"ok": "ok", "errors": "error", "refused": "refused", "interrupted": "interrupted"}
TOKENS = {"tokens_in": "in", "tokens_out": "out", "tokens_unsplit": "unsplit"}
COUNTS = (*OUTCOMES, *TOKENS)
TIMES = {"durations": "duration", "ttfts": "ttft"}  # sketch -> the fields of its sum and count
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # seconds
REMEMBER_SECONDS = 300.0  # how long the sums of days that are past are kept; late records show after that

Place = tuple[str, str]  # model, server


@dataclass
class Times:
    """A histogram: how many took at most each of `BOUNDS` seconds (to 2 %), how many there were, all their seconds."""

    sketch: Sketch = field(default_factory=Sketch)
    microseconds: int = 0
    count: int = 0

    def add(self, other: Times) -> None:
        self.sketch.merge(other.sketch)
        self.microseconds += other.microseconds
        self.count += other.count

    def within(self) -> list[tuple[float, int]]:
        counts = self.sketch.counts
        return [(b, sum(n for number, n in counts.items() if TOPS[number] <= b * 1_000_000)) for b in BOUNDS]


@dataclass
class Sums:
    """Requests and tokens by the ids of model and server, and the times of all."""

    cells: dict[tuple[int, int], dict[str, int]] = field(default_factory=dict)
    times: dict[str, Times] = field(default_factory=lambda: {name: Times() for name in TIMES})

    def add(self, other: Sums) -> None:
        for ids, counts in other.cells.items():
            mine = self.cells.setdefault(ids, dict.fromkeys(COUNTS, 0))
            for name, count in counts.items():
                mine[name] += count
        for name, times in other.times.items():
            self.times[name].add(times)


@dataclass(frozen=True)
class Measures:
    """All of it at one moment."""

    requests: dict[Place, dict[str, int]]
    times: dict[str, Times]
    reachable: dict[str, bool]
    loaded: dict[str, int]
    jobs: dict[str, int]
    in_flight: int
    lost_records: int
    deliveries: dict[str, int]


_lock = threading.Lock()
_past: dict[datetime, tuple[float, Sums]] = {}


def measures() -> Measures:
    """What there is now, in some ten queries; the long past is summed up once in five minutes."""
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    sums = Sums()
    sums.add(_before(today))
    sums.add(_summed(Q(start__gte=today)))
    live = GatewayProcess.objects.filter(seen__gte=Now() - draining.SILENT)
    return Measures(
        requests=_named(sums.cells),
        times=sums.times,
        reachable={name: bool(up) for name, up in Server.objects.enabled().values_list("name", "reachable")},
        loaded=_loaded(),
        jobs=_counted(Job.objects.order_by().values_list("status").annotate(Count("pk"))),
        in_flight=sum(sum(flight.values()) for flight in live.values_list("in_flight", flat=True)),
        lost_records=GatewayProcess.objects.aggregate(n=Sum("lost_records", default=0))["n"],
        deliveries=_counted(Delivery.objects.order_by().values_list("status").annotate(Count("pk"))),
    )


def forget() -> None:
    """Sums the past up anew when it is asked for next."""
    with _lock:
        _past.clear()


def _before(today: datetime) -> Sums:
    with _lock:
        known = _past.get(today)
        if known is None or known[0] < time.monotonic():
            _past.clear()
            known = _past[today] = (time.monotonic() + REMEMBER_SECONDS, _summed(Q(start__lt=today)))
        return known[1]


def _summed(when: Q) -> Sums:
    days = Rollup.objects.filter(when, period=Period.DAY).order_by()
    cells = days.filter(scope=Scope.CELL).values("model_id", "server_id")
    sums = Sums()
    summed = [Sum(name) for name in COUNTS]
    for model, server, *counts in cells.values_list("model_id", "server_id", *summed):
        sums.cells[model, server] = dict(zip(COUNTS, counts, strict=True))
    columns = [column for name, stem in TIMES.items() for column in (name, f"{stem}_us", f"{stem}_count")]
    for day in days.filter(scope=Scope.ALL).values(*columns):
        for name, stem in TIMES.items():
            sums.times[name].add(Times(Sketch.from_json(day[name]), day[f"{stem}_us"], day[f"{stem}_count"]))
    return sums


def _named(cells: Mapping[tuple[int, int], dict[str, int]]) -> dict[Place, dict[str, int]]:
    """By names; what two ids are called alike (a model that was deleted and came again) is one."""
    models = usage_names.models(model for model, _ in cells)
    servers = usage_names.servers(server for _, server in cells)
    named: dict[Place, dict[str, int]] = {}
    for (model, server), counts in cells.items():
        place = (models[model].id or "unknown", servers[server].id or "none")
        mine = named.setdefault(place, dict.fromkeys(COUNTS, 0))
        for name, count in counts.items():
            mine[name] += count
    return named


def _loaded() -> dict[str, int]:
    """Loaded copies by server, each once however many registries have its model."""
    copies = Instance.objects.filter(server__enabled=True).order_by().values("server__name")
    counts = _counted(copies.annotate(n=Count("instance_id", distinct=True)).values_list("server__name", "n"))
    return dict.fromkeys(Server.objects.enabled().values_list("name", flat=True), 0) | counts


def _counted(rows: Iterable[Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in rows}
