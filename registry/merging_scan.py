"""Merges what a server said into the registry: facts are taken over, what was found out stays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from registry import facts
from registry.lmstudio.wire import Listing, ReportedInstance, ReportedModel
from registry.models import Instance, LanguageModel, Scan
from registry.models.language_model import State

FACTS = (
    "name", "publisher", "description", "type", "type_derived", "architecture", "parameters", "parameters_derived",
    "parameter_count", "quantization", "bits_per_weight", "size_bytes", "declared_context", "format", "vision",
    "tool_use", "reasoning_options",
)  # fmt: skip
KEPT_WHEN_UNTOLD = ("size_bytes", "declared_context", "bits_per_weight", "vision", "tool_use")
WRITTEN = [*FACTS, "state", "missing", "last_seen", "updated", "stale", "stale_reason"]
BATCH = 500

Identity = tuple[str, str]


def merge(scan: Scan, listing: Listing) -> None:
    """Writes the models and instances of one server in a fixed number of bulk statements.

    A model that is gone is marked missing, never deleted. A changed size or variant makes its test result stale.
    """
    known = _known(scan)
    new: list[LanguageModel] = []
    for reported in listing.models:
        identity = (reported.key, reported.variant or "")
        model = known.get(identity) or _renamed(known, reported, listing)
        if model is None:
            model = LanguageModel(registry=scan.registry, server=scan.server, key=identity[0], variant=identity[1])
            new.append(model)
            known[identity] = model
            scan.added.append(reported.key)
        elif changes := _changes(model, reported):
            scan.changed.append({"key": model.key, "fields": changes})
            _mark_stale(model, changes)
        scan.preserved += bool(model.last_tested)
        _take_over(model, reported)
    LanguageModel.objects.bulk_create(new, batch_size=BATCH)
    _write_known(scan, listing, known.values(), {model.pk for model in new})
    _write_instances(scan, listing, known)


def _known(scan: Scan) -> dict[Identity, LanguageModel]:
    models = LanguageModel.objects.filter(registry=scan.registry, server=scan.server)
    return {(model.key, model.variant): model for model in models}


def _renamed(known: dict[Identity, LanguageModel], reported: ReportedModel, listing: Listing) -> LanguageModel | None:
    """The one known variant of a key whose selected variant changed: the same model with another file."""
    same = [model for model in known.values() if model.key == reported.key]
    offered = [other for other in listing.models if other.key == reported.key]
    if len(same) != 1 or len(offered) != 1:
        return None
    model = same[0]
    known.pop((model.key, model.variant))
    if model.last_tested and model.variant:
        model.stale, model.stale_reason = True, f"the variant changed from {model.variant} to {reported.variant or '?'}"
    model.variant = reported.variant or ""
    known[(model.key, model.variant)] = model
    return model


def _facts_of(reported: ReportedModel) -> dict[str, Any]:
    kind, kind_derived = facts.model_type(reported)
    parameters = facts.parameters(reported)
    return {
        "name": reported.display_name or reported.key,
        "publisher": reported.publisher or "",
        "description": reported.description or "",
        "type": kind,
        "type_derived": kind_derived,
        "architecture": reported.architecture or "",
        "parameters": parameters.text[:50],
        "parameters_derived": parameters.derived,
        "parameter_count": parameters.count,
        "quantization": (reported.quantization or "")[:100],
        "bits_per_weight": reported.bits_per_weight,
        "size_bytes": reported.size_bytes,
        "declared_context": reported.max_context_length,
        "format": (reported.format or "")[:50],
        "vision": reported.vision,
        "tool_use": reported.tool_use,
        "reasoning_options": list(reported.reasoning_options or ()),
    }


def _untold(name: str, value: Any) -> bool:
    """An older API leaves facts out: what is not told does not erase what was known."""
    return value is None and name in KEPT_WHEN_UNTOLD


def _changes(model: LanguageModel, reported: ReportedModel) -> dict[str, list[Any]]:
    fresh = _facts_of(reported)
    differing = {n: [getattr(model, n), v] for n, v in fresh.items() if getattr(model, n) != v and not _untold(n, v)}
    if model.missing:
        differing["missing"] = [True, False]
    return differing


def _mark_stale(model: LanguageModel, changes: dict[str, list[Any]]) -> None:
    before, after = changes.get("size_bytes", (None, None))
    if model.last_tested and before is not None and before != after:
        model.stale, model.stale_reason = True, f"the file changed from {before:,} to {after:,} bytes"


def _take_over(model: LanguageModel, reported: ReportedModel) -> None:
    for name, value in _facts_of(reported).items():
        if not _untold(name, value):
            setattr(model, name, value)
    model.missing = False
    model.last_seen = timezone.now()
    model.updated = timezone.now()
    if reported.instances:
        model.state = State.LOADED
    elif model.state in (State.LOADED, State.ACTIVE):
        model.state = State.UNLOADED


def _write_known(scan: Scan, listing: Listing, models: Iterable[LanguageModel], new: set[int]) -> None:
    offered = {(reported.key, reported.variant or "") for reported in listing.models}
    written = []
    for model in models:
        if model.pk in new:
            continue
        if (model.key, model.variant) not in offered:
            # an entry that could not be read may be this one, so then nothing is called missing
            if model.missing or listing.rejected:
                continue
            model.missing, model.state = True, State.UNLOADED
            scan.missing.append(model.key)
        written.append(model)
    LanguageModel.objects.bulk_update(written, ["variant", *WRITTEN], batch_size=100)


def _write_instances(scan: Scan, listing: Listing, known: dict[Identity, LanguageModel]) -> None:
    seen = [
        (known[(reported.key, reported.variant or "")], instance)
        for reported in listing.models
        for instance in reported.instances
    ]
    here = Instance.objects.filter(server=scan.server, model__registry=scan.registry)
    gone = {(i.model_id, i.instance_id): i.pk for i in here}
    for model, instance in seen:
        gone.pop((model.pk, instance.id), None)
    Instance.objects.filter(pk__in=list(gone.values())).delete()
    Instance.objects.bulk_create(
        [
            Instance(server=scan.server, model=model, instance_id=instance.id[:600],
                     context_length=instance.context_length, options=options(instance))
            for model, instance in seen
        ],
        update_conflicts=True, unique_fields=["model", "instance_id"], update_fields=["context_length", "options"],
    )  # fmt: skip


def options(instance: ReportedInstance) -> dict[str, Any]:
    """The settings of a loaded copy that the server tells, without its id and context."""
    told = {
        "eval_batch_size": instance.eval_batch_size,
        "parallel": instance.parallel,
        "flash_attention": instance.flash_attention,
        "num_experts": instance.num_experts,
        "offload_kv_cache_to_gpu": instance.offload_kv_cache_to_gpu,
    }
    return {name: value for name, value in told.items() if value is not None}
