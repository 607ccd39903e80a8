"""A registry in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, FloatField, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from registry.models import LanguageModel, Registry
from registry.models.language_model import CheckStatus
from registry.models.usage import Period, Rollup, Scope

STATUSES = {
    "tested_models": CheckStatus.TESTED,
    "untested_models": CheckStatus.UNTESTED,
    "testing_models": CheckStatus.TESTING,
    "failed_tests": CheckStatus.FAILED,
}
# floats: a sum of large integers overflows SQLite's, and up to 2^53 they are exact
SUMMED = {
    "contexts": Cast("tested_context", FloatField()),
    "total_size_bytes": Cast("size_bytes", FloatField()),
}
COUNTED_ELSEWHERE = Cast(KT("opening_balance__inference_count"), FloatField())


def statistics(registry: Registry) -> dict[str, Any]:
    """The guide's figures and more, in three queries; null is unknown. Missing models count in `missing_models` only.

    `avg_context_limit` (tokens) is over the models with a tested context; `types` and `servers` are models by name,
    a type that is not known as "unknown".
    """
    models = LanguageModel.objects.filter(registry=registry).order_by().values("missing", "type", "server__name")
    recorded = Rollup.objects.filter(scope=Scope.MODEL, period=Period.DAY).order_by()
    rows: list[Any] = list(
        models.annotate(
            total_models=Count("pk"),
            stale_tests=Count("pk", filter=Q(stale=True)),
            measured=Count("tested_context"),
            **{name: Count("pk", filter=Q(test_status=status)) for name, status in STATUSES.items()},
            counted_elsewhere=Sum(COUNTED_ELSEWHERE, filter=~Q(pk__in=recorded.values("model_id"))),
            **{name: Sum(column) for name, column in SUMMED.items()},
        )
    )
    there = [row for row in rows if not row["missing"]]
    contexts, measured = _sum(there, "contexts"), _sum(there, "measured")
    return {
        **{name: _sum(there, name) or 0 for name in ("total_models", *STATUSES, "stale_tests")},
        "missing_models": sum(row["total_models"] for row in rows if row["missing"]),
        "avg_context_limit": round(contexts / measured) if contexts and measured else None,
        "total_size_bytes": _sum(there, "total_size_bytes"),
        "total_inference_count": _requests(registry, recorded, _sum(there, "counted_elsewhere")),
        "types": _by(there, "type", "unknown"),
        "servers": _by(there, "server__name"),
        "last_scan": Registry.objects.values_list("last_scan", flat=True).get(pk=registry.pk),
    }


def _requests(registry: Registry, recorded: QuerySet[Rollup], elsewhere: int | None) -> int | None:
    """Requests recorded here, and for models without any those that a file told."""
    there = LanguageModel.objects.filter(registry=registry, missing=False).order_by().values("pk")
    here = recorded.filter(model_id__in=there).aggregate(all=Sum("requests"))["all"]
    return elsewhere if here is None else int(here) + (elsewhere or 0)


def _sum(rows: Iterable[Any], name: str) -> int | None:
    known = [row[name] for row in rows if row[name] is not None]
    return round(sum(known)) if known else None


def _by(rows: Iterable[Any], name: str, unknown: str = "") -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in rows:
        if known := row[name] or unknown:
            counts[known] += row["total_models"]
    return dict(sorted(counts.items(), key=lambda counted: (-counted[1], counted[0])))
