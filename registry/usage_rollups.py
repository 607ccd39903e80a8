"""Reads rollups: whose requests, in which hours or days, and what they add up to."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

import orjson
from django.core.cache import cache
from django.db.models import Count, QuerySet, Sum, TextField
from django.db.models.functions import Cast

from registry.models import LanguageModel, Registry
from registry.models.usage import Period, Rollup, Scope
from registry.summing import COUNTS, SKETCHES
from registry.usage_sums import Use, Window, pour

KEPT_SECONDS = 3_600


@dataclass(frozen=True)
class Whose:
    """Whose requests: one model's, one token's, or all but those to models of other registries."""

    registry: Registry | None = None
    model: int | None = None
    token: int | None = None

    def rows(self, period: Period, *told: str) -> QuerySet[Rollup]:
        """The rollups that add up to it, from the smallest scope that tells these apart: model_id, server_id, token_id.

        What no model is known for (id 0) and models that are gone belong to every registry.
        """
        others, apart = self._others, set(told)
        apart |= {"model_id"} if self.model is not None or others is not None else set()
        apart |= {"token_id"} if self.token is not None else set()
        scope = {
            frozenset[str](): Scope.ALL,
            frozenset({"model_id"}): Scope.MODEL,
            frozenset({"token_id"}): Scope.TOKEN,
        }
        rows = Rollup.objects.filter(period=period, scope=scope.get(frozenset(apart), Scope.CELL))
        if self.model is not None:
            rows = rows.filter(model_id=self.model)
        if self.token is not None:
            rows = rows.filter(token_id=self.token)
        return rows if others is None else rows.exclude(model_id__in=others)

    def within(self, window: Window, *told: str) -> QuerySet[Rollup]:
        return self.rows(window.period, *told).filter(start__gte=window.start, start__lt=window.end)

    @cached_property
    def _others(self) -> QuerySet[LanguageModel, int] | None:
        """The models of other registries, where they have to be left out."""
        if self.registry is None or self.model is not None:
            return None
        others = LanguageModel.objects.exclude(registry=self.registry).order_by()
        return others.values_list("pk", flat=True) if others.exists() else None


def totals(rows: QuerySet[Rollup], by: str) -> dict[Any, Use]:
    """Sums without sketches, by one column; added up in the database."""
    added = rows.order_by().values(by).annotate(**{f"sum_{name}": Sum(name) for name in COUNTS})
    return {row[by]: Use({name: int(row[f"sum_{name}"] or 0) for name in COUNTS}) for row in added}


def sums(rows: QuerySet[Rollup], *by: str, sketches: Collection[str] = ("durations",)) -> dict[tuple[Any, ...], Use]:
    """Sums with these sketches, by any columns."""
    texts = {f"{name}_text": Cast(name, TextField()) for name in sketches}
    found: dict[tuple[Any, ...], Use] = {}
    read = rows.order_by().annotate(**texts).values_list(*by, *COUNTS, *texts)
    for row in read.iterator(chunk_size=2_000):
        key, counts, told = row[: len(by)], row[len(by) : len(by) + len(COUNTS)], row[len(by) + len(COUNTS) :]
        buckets: dict[str, dict[str, int]] = {name: {} for name in SKETCHES}
        buckets |= {name: orjson.loads(text) for name, text in zip(sketches, told, strict=True)}
        one = Use(dict(zip(COUNTS, counts, strict=True)), buckets)
        if key in found:
            found[key].add(one)
        else:
            found[key] = one
    return found


def times(rows: QuerySet[Rollup], by: str, settled: datetime) -> dict[Any, dict[str, int]]:
    """Only the sketches of durations, by one column.

    A year of ten models is 3,650 of them; what began before `settled` hardly changes and is kept, added up, for as long
    as its sums are the same.
    """
    old = rows.filter(start__lt=settled).order_by()
    sums = old.aggregate(number=Count("pk"), requests=Sum("requests"), us=Sum("duration_us"))
    told = f"{old.query} {by} {sums}"
    found: dict[Any, dict[str, int]] = {}
    if sums["number"]:
        key = f"usage-times-{sha256(told.encode()).hexdigest()}"
        found = cache.get_or_set(key, lambda: _times(old, by), KEPT_SECONDS) or {}
    for key, buckets in _times(rows.filter(start__gte=settled).order_by(), by).items():
        pour(found.setdefault(key, {}), buckets)
    return found


def _times(rows: QuerySet[Rollup], by: str) -> dict[Any, dict[str, int]]:
    found: dict[Any, dict[str, int]] = {}
    read = rows.annotate(text=Cast("durations", TextField())).values_list(by, "text")
    for key, text in read.iterator(chunk_size=2_000):
        pour(found.setdefault(key, {}), orjson.loads(text))
    return found


def requests(rows: QuerySet[Rollup], *by: str) -> Iterator[tuple[Any, ...]]:
    """Each rollup's columns `by`, the hour that it begins with (as `hour` writes it) and how many requests it has.

    Ten thousand times are not read as times: that would take longer than all the rest.
    """
    read = rows.order_by().annotate(text=Cast("start", TextField())).values_list(*by, "text", "requests")
    for *keys, text, count in read.iterator(chunk_size=2_000):
        yield *keys, text[:13], count


def hour(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H}"
