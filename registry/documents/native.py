"""The native file: the guide's structure, with everything else that a registry holds beside it."""

from __future__ import annotations

from collections import Counter

from registry.documents.canonical import canonical, digest
from registry.documents.columns import MIB
from registry.documents.content import VERSION, Content, Fields, ModelId, ids_of
from registry.documents.labels import automatic_tags
from registry.documents.native_reading import from_native

__all__ = ["as_native", "canonical", "digest", "from_native", "native_model", "statistics"]


def as_native(content: Content, *, full: bool) -> Fields:
    """The whole content as one JSON object, unknown values null; `full`: with the tests and their probes."""
    ids = ids_of(content)
    models = {
        ids[model]: native_model(ids[model], model, fields, content.servers.get(model.server, {}), full=full)
        for model, fields in content.models.items()
    }
    return {
        "version": VERSION,
        "last_updated": content.last_updated,
        "registry": content.registry or None,
        "host": content.host or None,
        "servers": {url: _unknown_as_null(fields) for url, fields in content.servers.items()},
        "models": models,
        "tags": dict(Counter(tag for model in models.values() for tag in model["metadata"]["tags"])),
        "groups": {name: _group(fields, ids) for name, fields in content.groups.items()},
        "profiles": {name: _unknown_as_null(fields) for name, fields in content.profiles.items()},
        "statistics": statistics(content),
        "extra": content.extra,
    }


def native_model(id: str, model: ModelId, fields: Fields, server: Fields, *, full: bool = False) -> Fields:
    """One model in the guide's structure; null is unknown."""
    get = fields.get
    size = get("size_bytes")
    entry = {
        **_identity(id, model, fields, server),
        "publisher": get("publisher") or None,
        "size_mb": None if size is None else size // MIB,
        "size_bytes": size,
        "parameters": get("parameters") or None,
        "parameters_derived": get("parameters_derived", False),
        "parameter_count": get("parameter_count"),
        "type": get("type") or None,
        "type_derived": get("type_derived", False),
        "architecture": get("architecture") or None,
        "quantization": get("quantization") or None,
        "bits_per_weight": get("bits_per_weight"),
        "format": get("format") or None,
        "vision": get("vision"),
        "tool_use": get("tool_use"),
        "reasoning_options": get("reasoning_options") or [],
        "context_window": get("declared_context"),
        "missing": get("missing", False),
        "updated": get("updated"),
        "edited": get("edited") or [],
        "notes": get("notes") or None,
        "favourite": get("favourite", False),
        "pinned": get("pinned", False),
        "extra": get("extra") or {},
        "metadata": _metadata(model, fields),
        "usage_stats": _usage(get("opening_balance") or {}),
        **_results(fields),
    }
    if full and "tests" in fields:
        entry["tests"] = [{**test, "probes": test.get("probes", [])} for test in fields["tests"]]
    return entry


def _identity(id: str, model: ModelId, fields: Fields, server: Fields) -> Fields:
    return {
        "id": id,
        "key": model.key,
        "variant": model.variant or None,
        "server": server.get("name") or None,
        "server_url": model.server or None,
        "name": fields.get("name") or None,
        "display_name": fields.get("name") or model.key,
    }


def statistics(content: Content) -> Fields:
    """The guide's figures of a registry; the average is over the models with a tested context."""
    models = content.models.values()
    statuses = Counter(fields.get("test_status") for fields in models)
    contexts = [fields["tested_context"] for fields in models if fields.get("tested_context") is not None]
    balances = [fields.get("opening_balance") or {} for fields in models]
    return {
        "total_models": len(models),
        "tested_models": statuses["tested"],
        "untested_models": len(models) - statuses["tested"] - statuses["failed"],
        "failed_tests": statuses["failed"],
        "avg_context_limit": sum(contexts) // len(contexts) if contexts else None,
        "total_inference_count": sum(balance.get("inference_count") or 0 for balance in balances),
        "last_scan": content.last_scan,
    }


def _results(fields: Fields) -> Fields:
    get = fields.get
    peak = get("peak_memory_bytes")
    return {
        "tested_context": get("tested_context"),
        "usable_context": get("usable_context"),
        "test_status": get("test_status") or "untested",
        "test_verdict": get("test_verdict") or None,
        "last_tested": get("last_tested"),
        "test_iterations": get("test_iterations"),
        "test_duration": get("test_duration"),
        "stale": get("stale", False),
        "stale_reason": get("stale_reason") or None,
        "performance_metrics": {
            "avg_tokens_per_second": get("tokens_per_second"),
            "peak_memory_mb": None if peak is None else peak // MIB,
            "peak_memory_bytes": peak,
            "load_time_seconds": get("load_seconds"),
            "time_to_first_token_seconds": get("ttft_seconds"),
        },
    }


def _metadata(model: ModelId, fields: Fields) -> Fields:
    get = fields.get
    custom = get("tags") or []
    return {
        "added_date": get("added"),
        "source": get("source") or None,
        "tags": sorted({*custom, *automatic_tags(model, fields)}),
        "custom_tags": sorted(custom),
        "description": get("description") or None,
    }


def _usage(balance: Fields) -> Fields:
    """What was counted elsewhere; all of the guide's keys are there."""
    return {
        "inference_count": None,
        "total_tokens_processed": None,
        "total_inference_time": None,
        "last_used": None,
        **balance,
    }


def _unknown_as_null(fields: Fields) -> Fields:
    return {name: None if value == "" else value for name, value in fields.items()}


def _group(fields: Fields, ids: dict[ModelId, str]) -> Fields:
    """A group with the ids of its members in order, as far as they are in this document."""
    members = [ids[member] for member in fields.get("models", ()) if member in ids]
    return {**_unknown_as_null(fields), "models": members}
