"""What is measured with many models, each through the code that people use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry import comparing, exchanging, ordering, paging, seeding, snapshots
from registry.models import LanguageModel, Registry
from registry.views.model_list import COLUMNS

FILTERS = (
    "",
    "status:tested",
    "size:>5GB,status:tested",
    "tag:llama,chat",
    "has:tools,ctx:>32k",
    "name:qwen",
    "group:writers",
)
ORDERS = (
    "sort=name",
    "sort=ctx&reverse=1",
    "sort=size",
    "sort=date&reverse=1",
    "sort=speed",
    "sort=server",
    "sort=type",
)
MOST_QUERIES = 8


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured against its goal, both in `unit`."""

    name: str
    value: float
    goal: float
    unit: str = "s"
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.goal


def seeded(count: int) -> Figure:
    took, _ = timed(lambda: seeding.seed(Registry.objects.default(), count))
    return Figure(f"write {count:,} models", took, 60)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds by the clock on the wall, and what came out."""
    start = perf_counter()
    result = work()
    return perf_counter() - start, result


def list_addresses(*, last: bool) -> Iterator[str]:
    """The list with every filter in every order: its first page, or the one that starts near the end."""
    for text in FILTERS:
        for order in ORDERS:
            address = f"/models/?filter={text.replace('>', '%3E')}&{order}"
            if not last:
                yield address
            elif not text:
                yield f"{address}&cursor={_near_the_end(order)}"


def _near_the_end(order: str) -> str:
    """The cursor of a page that begins 60 rows before the last one."""
    sort, reverse = order.removeprefix("sort=").removesuffix("&reverse=1"), order.endswith("reverse=1")
    rows = ordering.sortable(LanguageModel.objects.filter(registry=Registry.objects.default()), sort)
    before = max(rows.count() - 60, 1)
    part = paging.page(
        rows, sort=sort, reverse=reverse, cursor=None, limit=before, columns=COLUMNS, shown=rows.only("pk")
    )
    return str(part.next)


def pages(client: Client, *, last: bool, repeats: int) -> list[Figure]:
    """95 of 100 requests are faster than the first figure, and none takes more queries than the second."""
    times: list[float] = []
    used = process_time()
    queries = 0
    slowest = ("", 0.0)
    for address in list_addresses(last=last):
        queries = max(queries, queries_of(client, address))  # the first view after a change: counts as well
        took = [timed(lambda: client.get(address))[0] for _ in range(repeats)]  # noqa: B023
        times += took
        slowest = max(slowest, (address, sorted(took)[len(took) // 2]), key=lambda pair: pair[1])
    name = "list page that starts near the end" if last else "list page, filters x orders"
    used = (process_time() - used) / (len(times) + len(times) // repeats)
    worst = f"median of the slowest {slowest[1] * 1000:.0f} ms: {slowest[0][:60]}; {used * 1000:.0f} ms of CPU each"
    return [
        Figure(f"{name}, p95", percentile(times, 95) * 1000, 100, "ms", worst),
        Figure(f"{name}, most queries", queries, MOST_QUERIES, "queries", "with an empty cache"),
    ]


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"
    return len(captured)


def percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def api_page(client: Client, *, repeats: int) -> Figure:
    address = "/api/models?limit=1000"
    client.get(address)
    times = [timed(lambda: client.get(address))[0] for _ in range(repeats)]
    return Figure("API page of 1,000, p95", percentile(times, 95) * 1000, 200, "ms")


def there_and_back() -> list[Figure]:
    """Exports the registry and imports the file into an empty one."""
    registry = Registry.objects.default()
    count = registry.models.count()
    out, data = timed(lambda: exchanging.export(registry, fmt="native"))
    copy = Registry.objects.create(name="bench copy")
    back, _ = timed(lambda: exchanging.bring_in(copy, data, name="bench.json"))
    assert copy.models.count() == count
    return [
        Figure(f"export of {count:,}", out, 10, note=f"{len(data) / 1e6:.0f} MB"),
        Figure(f"import of {count:,}", back, 60),
    ]


def difference(count: int = 10_000) -> list[Figure]:
    """Two snapshots of `count` models, of which every tenth changed: files read, checked and compared."""
    everything = Registry.objects.default()
    part = everything.models.filter(pk__in=everything.models.order_by("pk").values("pk")[:count])
    registry = Registry.objects.create(name="bench part")
    exchanging.bring_in(registry, exchanging.export(everything, models=part), name="part.json")
    first = snapshots.create(registry, "before")
    tenth = registry.models.filter(pk__in=list(registry.models.values_list("pk", flat=True))[::10])
    changed = tenth.update(tested_context=4096, notes="changed for the benchmark")
    registry.touch()
    second = snapshots.create(registry, "after")
    took, found = timed(lambda: comparing.compare(comparing.side_kept(first), comparing.side_kept(second)))
    assert len(found.changes) == changed
    name = f"diff of two snapshots of {registry.models.count():,}"
    return [Figure(name, took, 0.5, note=f"{changed:,} models differ; reading the files is part of it")]
