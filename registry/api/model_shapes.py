"""How a model looks over REST."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from django.db.models import F
from pydantic import BaseModel

from registry import usage_reports
from registry.models import GroupMember, Instance, LanguageModel, Server, Tag
from registry.models.language_model import LanguageModelQuerySet


class Metrics(BaseModel):
    """What the last test measured."""

    avg_tokens_per_second: float | None
    peak_memory_mb: int | None
    load_time_seconds: float | None
    ttft_seconds: float | None
    test_duration: float | None


class UsageStats(BaseModel):
    """Requests recorded here; where there is none, what a file told. Times in seconds."""

    inference_count: int
    total_tokens_processed: int | None
    avg_tokens_per_inference: float | None
    total_inference_time: float | None
    avg_time_per_inference: float | None
    last_used: datetime | None


class LoadedCopy(BaseModel):
    """One loaded copy of a model and the context length in force there."""

    id: str
    context_length: int | None


class TagDetail(BaseModel):
    """A tag, where it comes from (`custom`: from people), and why an automatic one was given."""

    name: str
    family: str
    reason: str | None


class ModelShape(BaseModel):
    """A model as a server offers it; null means unknown. `public_id` is its name in commands and files."""

    id: int
    public_id: str
    key: str
    variant: str | None
    server: int | None
    server_name: str | None
    registry: str
    name: str
    publisher: str | None
    description: str | None
    type: str | None
    type_derived: bool
    architecture: str | None
    parameters: str | None
    parameters_derived: bool
    parameter_count: int | None
    quantization: str | None
    bits_per_weight: float | None
    size_bytes: int | None
    format: str | None
    vision: bool | None
    tool_use: bool | None
    reasoning_options: list[Any]
    declared_context: int | None
    tested_context: int | None
    usable_context: int | None
    test_status: str
    test_verdict: str | None
    last_tested: datetime | None
    test_iterations: int | None
    stale: bool
    stale_reason: str | None
    missing: bool
    state: str
    instances: list[LoadedCopy]
    tags: list[str]
    tag_details: list[TagDetail]
    groups: list[str]
    notes: str | None
    favourite: bool
    pinned: bool
    edited: list[str]
    performance_metrics: Metrics | None
    usage_stats: UsageStats | None
    source: str
    added: datetime
    updated: datetime
    last_seen: datetime | None

    @classmethod
    def of(cls, model: LanguageModel) -> ModelShape:
        """From a row of `rows()`."""
        return cls.of_all([model])[0]

    @classmethod
    def of_all(cls, models: Sequence[LanguageModel]) -> list[ModelShape]:
        """From rows of `rows()`, with what belongs to them in a fixed number of queries."""
        servers = Server.objects.in_bulk({model.server_id for model in models if model.server_id is not None})
        for model in models:
            model.server = servers[model.server_id] if model.server_id is not None else None
        beside = _beside([model.pk for model in models])
        used = usage_reports.usage_stats(models)
        return [
            cls.model_validate(_fields(model) | beside[model.pk] | {"usage_stats": _known(used[model.pk])})
            for model in models
        ]


# texts that are empty in the table where LM Studio did not tell them
_TOLD = (
    *("variant", "publisher", "description", "type", "architecture", "parameters", "notes"),
    *("quantization", "format", "test_verdict", "stale_reason"),
)
_DERIVED = (
    *("id", "server", "server_name", "registry", "instances", "tags", "tag_details", "groups"),
    *("performance_metrics", "usage_stats"),
)
_PLAIN = tuple(name for name in ModelShape.model_fields if name not in (*_TOLD, *_DERIVED))


def rows() -> LanguageModelQuerySet:
    """Models with all of their own that `ModelShape` shows."""
    return LanguageModel.objects.with_public_id().annotate(registry_name=F("registry__name")).defer("extra")


def _fields(model: LanguageModel) -> dict[str, Any]:
    """What stands in the model's own row and its server's."""
    return {
        **{name: getattr(model, name) for name in _PLAIN},
        **{name: getattr(model, name) or None for name in _TOLD},
        "id": model.pk,
        "server": model.server_id,
        "server_name": model.server.name if model.server else None,
        "registry": cast(Any, model).registry_name,  # which `rows()` adds
        "performance_metrics": _metrics(model),
    }


def _beside(keys: list[int]) -> dict[int, dict[str, Any]]:
    """Tags, groups and loaded copies of the models with these keys; plain rows, since objects take far longer."""
    beside: dict[int, dict[str, Any]] = defaultdict(
        lambda: {"tags": [], "tag_details": [], "groups": [], "instances": []}
    )
    tags = Tag.objects.filter(model__in=keys).order_by("name", "family")
    for key, name, family, reason in tags.values_list("model_id", "name", "family", "reason"):
        beside[key]["tag_details"].append({"name": name, "family": family, "reason": reason or None})
        if name not in beside[key]["tags"]:
            beside[key]["tags"].append(name)
    groups = GroupMember.objects.filter(model__in=keys).order_by("group__name")
    for key, name in groups.values_list("model_id", "group__name"):
        beside[key]["groups"].append(name)
    copies = Instance.objects.filter(model__in=keys).order_by("instance_id")
    for key, id, length in copies.values_list("model_id", "instance_id", "context_length"):
        beside[key]["instances"].append({"id": id, "context_length": length})
    return beside


def _known(used: dict[str, Any]) -> dict[str, Any] | None:
    """Usage, where there was any or a file told some."""
    return used if used["inference_count"] or used["last_used"] else None


def _metrics(model: LanguageModel) -> dict[str, Any] | None:
    peak = model.peak_memory_bytes
    metrics = {
        "avg_tokens_per_second": model.tokens_per_second,
        "peak_memory_mb": None if peak is None else round(peak / 2**20),
        "load_time_seconds": model.load_seconds,
        "ttft_seconds": model.ttft_seconds,
        "test_duration": model.test_duration,
    }
    return metrics if any(value is not None for value in metrics.values()) else None
