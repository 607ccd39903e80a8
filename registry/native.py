"""A model in the guide's structure: what `list --show json`, exports and snapshots print."""

from typing import Any

from registry.models import LanguageModel

MIB = 2**20


def model_as_dict(model: LanguageModel) -> dict[str, Any]:
    """The guide's fields of one model; unknown values are null, times ISO 8601 UTC."""
    return {
        "id": model.public_id,
        "key": model.key,
        "variant": model.variant or None,
        "server": model.server.name if model.server else None,
        "name": model.name,
        "display_name": model.name,
        "size_mb": model.size_bytes // MIB if model.size_bytes is not None else None,
        "size_bytes": model.size_bytes,
        "parameters": model.parameters or None,
        "type": model.type or None,
        "architecture": model.architecture or None,
        "quantization": model.quantization or None,
        "context_window": model.declared_context,
        "tested_context": model.tested_context,
        "test_status": model.test_status,
        "test_verdict": model.test_verdict or None,
        "last_tested": model.last_tested.isoformat() if model.last_tested else None,
        "test_iterations": model.test_iterations,
        "test_duration": model.test_duration,
        "stale": model.stale,
        "missing": model.missing,
        "state": model.state,
        "performance_metrics": {
            "avg_tokens_per_second": model.tokens_per_second,
            "peak_memory_mb": model.peak_memory_bytes // MIB if model.peak_memory_bytes is not None else None,
            "load_time_seconds": model.load_seconds,
            "time_to_first_token_seconds": model.ttft_seconds,
        },
        "metadata": {
            "added_date": model.added.isoformat(),
            "source": model.source,
            "tags": sorted(tag.name for tag in model.tags.all()),
            "description": model.description,
        },
        "updated": model.updated.isoformat(),
    }
