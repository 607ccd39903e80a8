"""The orders that models are listed in; what is unknown comes last, in both directions."""

from __future__ import annotations

from django.db.models import F

from registry.models.language_model import Known, LanguageModelQuerySet

# the names people sort by, and the columns; those in TEXTS are empty where they are unknown
SORTS = {
    "name": "name",
    "key": "key",
    "server": "server__name",
    "size": "size_bytes",
    "params": "parameter_count",
    "declared": "declared_context",
    "ctx": "tested_context",
    "usable": "usable_context",
    "speed": "tokens_per_second",
    "memory": "peak_memory_bytes",
    "status": "test_status",
    "date": "last_tested",
    "state": "state",
    "added": "added",
    "updated": "updated",
    "type": "_known_type",
    "arch": "_known_architecture",
    "quant": "_known_quantization",
    "verdict": "_known_test_verdict",
}
TEXTS = ("type", "architecture", "quantization", "test_verdict")


def sortable(models: LanguageModelQuerySet, sort: str) -> LanguageModelQuerySet:
    """`models` with what `SORTS[sort]` names, where that is no column of theirs."""
    texts = {f"_known_{name}": Known(name) for name in TEXTS if SORTS.get(sort) == f"_known_{name}"}
    return models.annotate(**texts) if texts else models


def in_order(models: LanguageModelQuerySet, sort: str, reverse: bool) -> LanguageModelQuerySet:
    """`models` sorted by one of SORTS, those of equal value in the order they came in."""
    column = F(SORTS[sort])
    order = column.desc(nulls_last=True) if reverse else column.asc(nulls_last=True)
    return sortable(models, sort).order_by(order, "-pk" if reverse else "pk")
