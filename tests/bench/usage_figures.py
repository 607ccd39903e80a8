"""What is measured of usage with many recorded requests: the page, its percentiles, and recording beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from time import perf_counter

from django.test import Client
from django.utils import timezone

from registry import recording, seeding_usage, usage_reports
from registry.models import InferenceRecord, LanguageModel, Registry
from registry.models.usage import Outcome
from registry.usage_sums import SECOND, Window
from registry.views.usage_page import BY, RANGES
from tests.bench.figures import Figure, percentile, queries_of, timed
from tests.inferences import inference

MOST_QUERIES = 22
DASHBOARDS = ("/usage/", "/usage/?range=24h", "/")
BATCH = 100  # requests recorded at once, as many as a busy gateway has in a second
PAUSE = 0.5  # seconds between two reloads


def seeded(count: int) -> Figure:
    took, _ = timed(lambda: seeding_usage.seed_records(Registry.objects.default(), count))
    return Figure(f"record {count:,} requests of a year", took, max(count / 4_000, 1))


def addresses() -> list[str]:
    """The page in every range by everything, also narrowed to the busiest model."""
    busiest = InferenceRecord.objects.exclude(model=None).order_by("-started").values_list("model", flat=True).first()
    whole = [f"/usage/?range={asked}&by={by}" for asked in RANGES for by in BY]
    return [*whole, *(f"/usage/?range={asked}&model={busiest}" for asked in RANGES)]


def pages(client: Client, *, repeats: int) -> list[Figure]:
    """The usage page: 95 of 100 are faster than the first figure, and none takes more queries than the second."""
    times: list[float] = []
    queries, slowest = 0, ("", 0.0)
    for address in addresses():
        queries = max(queries, queries_of(client, address))
        took = [timed(lambda: client.get(address))[0] for _ in range(repeats)]  # noqa: B023
        times += took
        slowest = max(slowest, (address, median(took)), key=lambda pair: pair[1])
    note = f"median {median(times) * 1000:.0f} ms; of the slowest {slowest[1] * 1000:.0f} ms: {slowest[0]}"
    return [
        Figure("usage page, p95", percentile(times, 95) * 1000, 150, "ms", note),
        Figure("usage page, most queries", queries, MOST_QUERIES, "queries"),
    ]


def accuracy(days: int = 30) -> Figure:
    """By how much percentiles from rollups differ from those of the records themselves, at most."""
    window = Window.days(days, timezone.now())
    worst, records = 0.0, 0
    for model in LanguageModel.objects.filter(pk__in=_asked_models()):
        answered = InferenceRecord.objects.filter(model=model, outcome=Outcome.OK, started__gte=window.start)
        exact = sorted(us for us in answered.order_by().values_list("duration_us", flat=True) if us is not None)
        told = usage_reports.metrics(model, days).of
        records += len(exact)
        for percent in (50, 95, 99) if exact else ():
            wanted = exact[max(-(-len(exact) * percent // 100), 1) - 1] / SECOND
            worst = max(worst, abs((told.quantile(percent / 100) or 0) / wanted - 1) * 100)
    return Figure("percentiles differ from exact ones by", worst, 2, "%", f"p50, p95, p99 of {records:,} requests")


def _asked_models() -> list[int]:
    since = timezone.now() - timedelta(days=2)
    return [pk for pk in set(InferenceRecord.objects.filter(started__gte=since).values_list("model", flat=True)) if pk]


def slowdown(client: Client, *, rounds: int) -> Figure:
    """How much longer recording takes while a dashboard reloads in the same process, rounds of both in turns."""
    models = list(LanguageModel.objects.filter(pk__in=_asked_models()))
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        alone += _recorded(models)
        with _reloading(client):
            beside += _recorded(models)
    note = f"{BATCH} requests in {median(alone) * 1000:.1f} ms alone, {median(beside) * 1000:.1f} ms beside"
    return Figure("recording beside a dashboard takes", median(beside) / median(alone), 1.5, "times", note)


def _recorded(models: list[LanguageModel], batches: int = 20) -> list[float]:
    """Seconds that each of some batches took."""
    times = []
    for _ in range(batches):
        rows = [inference(models[number % len(models)]) for number in range(BATCH)]
        start = perf_counter()
        recording.record(rows)
        times.append(perf_counter() - start)
    return times


@contextmanager
def _reloading(client: Client) -> Iterator[None]:
    """Pages that are opened again and again, as by people who keep them open."""
    over = threading.Event()

    def reload() -> None:
        turn = 0
        while not over.wait(PAUSE):
            assert client.get(DASHBOARDS[turn % len(DASHBOARDS)]).status_code == 200
            turn += 1

    dashboard = threading.Thread(target=reload, name="dashboard")
    dashboard.start()
    try:
        yield
    finally:
        over.set()
        dashboard.join()
