"""What scripts read of a model: the guide's flat dictionaries, made from the model's native structure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from registry import contents, finding, usage_reports
from registry.documents import native
from registry.documents.content import iso
from registry.models import LanguageModel, Registry
from registry.scripting.figures import Figures


def model_named(registry: Registry, name: str) -> LanguageModel:
    """The one model that `name` means; ValueError that says what is near, or names the candidates."""
    return finding.model_named(registry, name, where=f" in registry {registry}")


def models_named(registry: Registry, names: Iterable[str]) -> list[LanguageModel]:
    return [model_named(registry, name) for name in dict.fromkeys(names)]


def ids_of(models: Iterable[LanguageModel]) -> list[str]:
    """Public ids, in the order given; one query however many they are."""
    keys = [model.pk for model in models]
    rows = LanguageModel.objects.filter(pk__in=keys).with_public_id().select_related("server")
    told = {model.pk: model.public_id for model in rows}
    return [told[key] for key in keys if key in told]


def infos(registry: Registry, models: QuerySet[LanguageModel] | None = None) -> list[Figures]:
    """Each model of `registry` (or of the queryset `models`) as one flat dictionary, ordered by id."""
    document = native.as_native(contents.content_of(registry, models=models, live=True), full=False)
    return [_flat(told) for _, told in sorted(document["models"].items())]


def info(model: LanguageModel) -> Figures:
    """One model as one flat dictionary."""
    return infos(model.registry, LanguageModel.objects.filter(pk=model.pk))[0]


def _flat(told: dict[str, Any]) -> Figures:
    nested = ("performance_metrics", "usage_stats", "metadata")
    flat = {key: value for key, value in told.items() if key not in nested}
    for part in nested:
        flat |= told.get(part) or {}
    return Figures(flat).known("id", "name", "size_mb", "test_status")


def usage(model: LanguageModel) -> Figures:
    """The guide's usage statistics of one model; counts are 0 where nothing was recorded."""
    used = usage_reports.usage_stats([model])[model.pk]
    told = {"total_tokens_processed": used["total_tokens_processed"] or 0, "last_used": iso(used["last_used"])}
    return Figures({**used, **told, "total_inference_time": used["total_inference_time"] or 0.0})


def performance(told: Figures) -> Figures:
    """The guide's performance metrics of one model."""
    names = (
        "avg_tokens_per_second", "peak_memory_mb", "load_time_seconds", "ttft_seconds", "test_duration",
        "test_iterations", "tested_context", "last_tested",
    )  # fmt: skip
    return Figures({name: told.get(name) for name in names})
