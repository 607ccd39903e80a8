"""How many models a registry has, of which kind, and how many a filter lets through.

Counting 100,000 rows takes longer than showing 50 of them, so counts are kept until the registry changes: its version
and its last scan are part of the key. A cache of one process is enough for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

from django.core.cache import cache
from django.db.models import Count, Max, Q, QuerySet, Sum

from registry import filtering
from registry.filters import Expression
from registry.models import LanguageModel, Registry, Tag
from registry.models.language_model import TESTABLE, CheckStatus

T = TypeVar("T")

KEPT_SECONDS = 300
MOST_VALUES = 200
# what is counted of every registry, by the filter that shows it
COUNTED = {
    "status:tested": Q(test_status=CheckStatus.TESTED),
    "status:untested": Q(test_status=CheckStatus.UNTESTED),
    "status:testing": Q(test_status=CheckStatus.TESTING),
    "status:failed": Q(test_status=CheckStatus.FAILED),
    "ctx:>=32k": Q(tested_context__gte=32_768),
    "has:tools": filtering.MARKS["has", "tools"],
    **{f"is:{name}": filtering.MARKS["is", name] for name in ("stale", "loaded", "missing", "favourite", "overstated")},
}


@dataclass(frozen=True)
class Tally:
    """The models of a registry in numbers; `of` by filter, `servers` by name.

    `untested`: those that can be tested and were not. Of the present ones some are on no server (`unplaced`).
    """

    all: int = 0
    present: int = 0
    verified: int = 0
    untested: int = 0
    size_bytes: int = 0
    placed_bytes: int = 0
    unplaced: int = 0
    unplaced_bytes: int = 0
    of: dict[str, int] = field(default_factory=dict)
    servers: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        return self.of.get("is:missing", 0)

    @property
    def overstated(self) -> int:
        """Tested ones that hold less than they declare."""
        return self.of.get("is:overstated", 0)


class Match(NamedTuple):
    """What a filter lets through: how many models, their size in bytes, and the largest tested context."""

    models: int
    size_bytes: int
    longest: int | None


def tally(registry: Registry) -> Tally:
    """The registry in numbers; one query at most."""
    return _kept(registry, "tally", lambda: _counted(registry))


def present(registry: Registry) -> int | None:
    """How many models its servers offer or people added, if that was counted since it changed; no query."""
    return cast("int | None", cache.get(_key(registry, "present")))


def keep_present(registry: Registry, count: int) -> None:
    """Keeps for others what somebody counted."""
    cache.set(_key(registry, "present"), count, KEPT_SECONDS)


def match(registry: Registry, text: str, expression: Expression) -> Match:
    """What `expression`, written as `text`, lets through; one query at most, none for all models."""
    if not expression.conditions:
        everything = tally(registry)
        return Match(everything.all, everything.size_bytes, None)
    return _kept(registry, text, lambda: _matched(registry, expression))


def known_values(registry: Registry) -> dict[str, list[str]]:
    """The servers, tags, groups, architectures and quantizations there are, the most used ones first."""
    return _kept(registry, "values", lambda: _values(registry)) | {"server": list(tally(registry).servers)}


def _values(registry: Registry) -> dict[str, list[str]]:
    models = LanguageModel.objects.filter(registry=registry)
    rows: dict[str, tuple[QuerySet[Any], str]] = {
        "tag": (Tag.objects.filter(model__registry=registry), "name"),
        "arch": (models.exclude(architecture=""), "architecture"),
        "quant": (models.exclude(quantization=""), "quantization"),
    }
    found = {"group": list(registry.groups.values_list("name", flat=True)[:MOST_VALUES])}
    for key, (query, column) in rows.items():
        used = query.order_by().values(column).annotate(n=Count("pk")).order_by("-n", column)
        found[key] = list(used.values_list(column, flat=True)[:MOST_VALUES])
    return found


def _kept(registry: Registry, what: str, count: Callable[[], T]) -> T:
    return cast(T, cache.get_or_set(_key(registry, what), count, KEPT_SECONDS))


def _key(registry: Registry, what: str) -> str:
    digest = hashlib.sha256(what.encode()).hexdigest()[:32]
    # what is loaded where is told by scans only, and is no change of the registry
    moments = [moment.timestamp() for moment in (registry.updated, registry.last_scan) if moment]
    return ":".join(map(str, ["tally", registry.pk, registry.version, *moments, digest]))


def _counted(registry: Registry) -> Tally:
    numbers: dict[str, Any] = {
        "all": Count("pk"),
        "present": Count("pk", filter=Q(missing=False)),
        "verified": Count("pk", filter=Q(test_status=CheckStatus.TESTED, stale=False)),
        "untested": Count("pk", filter=TESTABLE & Q(test_status=CheckStatus.UNTESTED)),
        "placed_bytes": Sum("size_bytes", filter=Q(missing=False, server__isnull=False), default=0),
        "unplaced": Count("pk", filter=Q(missing=False, server=None)),
        "unplaced_bytes": Sum("size_bytes", filter=Q(missing=False, server=None), default=0),
        "size_bytes": Sum("size_bytes", default=0),  # last: from here on the name means the sum
    }
    each = {f"n{place}": Count("pk", filter=condition) for place, condition in enumerate(COUNTED.values())}
    models = LanguageModel.objects.filter(registry=registry).order_by()
    rows: list[dict[str, Any]] = list(models.values("server__name").annotate(**numbers, **each))  # type: ignore[arg-type]
    servers = {str(row["server__name"]): int(row["all"]) for row in rows if row["server__name"] is not None}
    return Tally(
        **{name: sum(row[name] for row in rows) for name in numbers},
        of={text: sum(row[f"n{place}"] for row in rows) for place, text in enumerate(COUNTED)},
        servers=dict(sorted(servers.items(), key=lambda pair: (-pair[1], pair[0]))),
    )


def _matched(registry: Registry, expression: Expression) -> Match:
    models = filtering.filtered(LanguageModel.objects.filter(registry=registry), expression).order_by()
    return Match(
        **models.aggregate(models=Count("pk"), size_bytes=Sum("size_bytes", default=0), longest=Max("tested_context"))
    )
