"""Merges what a server said into the registry: facts are taken over, what was found out stays."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from registry import facts, ledger, pairing, reconciling, tagging
from registry.lmstudio.wire import Listing, ReportedModel
from registry.models import LanguageModel, Scan

FACTS = (
    "name", "publisher", "description", "type", "type_derived", "architecture", "parameters", "parameters_derived",
    "parameter_count", "quantization", "bits_per_weight", "size_bytes", "declared_context", "format", "vision",
    "tool_use", "reasoning_options",
)  # fmt: skip
KEPT_WHEN_UNTOLD = ("size_bytes", "declared_context", "bits_per_weight", "vision", "tool_use")
WRITTEN = ("variant", *FACTS, "missing", "stale", "stale_reason")
BATCH = 500

Pairs = list[tuple[LanguageModel, ReportedModel]]


def merge(scan: Scan, listing: Listing, asked: datetime | None = None) -> None:
    """Writes the models and instances of one server in a fixed number of bulk statements.

    `asked` is when the server was asked for this list; None: nothing can have changed since.

    A model that is gone is marked missing, never deleted. A changed size or variant makes its test result stale.
    Automatic tags follow from the facts as they are then.
    """
    known = list(LanguageModel.objects.filter(registry=scan.registry, server=scan.server))
    before = {model.pk: _written(model) for model in known}
    pairs = _paired(scan, listing, known)
    for model, reported in pairs:
        fresh = _facts_of(reported)
        if model.pk not in before:
            scan.added.append(model.key)
        else:
            fresh = _told(fresh, model, reported, listing.api)
            _note_changes(scan, model, fresh, reported)
        scan.preserved += bool(model.last_tested)
        _take_over(model, fresh, reported)
    _mark_missing(scan, listing, known, pairs)
    LanguageModel.objects.bulk_create([model for model, _ in pairs if model.pk not in before], batch_size=BATCH)
    differing = [model for model in known if _written(model) != before[model.pk]]
    LanguageModel.objects.bulk_update(differing, [*WRITTEN, "updated"], batch_size=BATCH // 5)
    seen = [model.pk for model, _ in pairs]
    for start in range(0, len(seen), BATCH):
        LanguageModel.objects.filter(pk__in=seen[start : start + BATCH]).update(last_seen=timezone.now())
    tagging.derive_tags(model for model, _ in pairs)
    _reconcile(scan, listing, known, pairs, asked or scan.server.clock())
    if scan.added or scan.changed or scan.missing:
        scan.registry.touch()


def _written(model: LanguageModel) -> list[Any]:
    return [getattr(model, name) for name in WRITTEN]


def _paired(scan: Scan, listing: Listing, known: list[LanguageModel]) -> Pairs:
    """Each reported model with its row, known or new."""
    return [(model or _new(scan, reported), reported) for model, reported in pairing.paired(known, listing.models)]


def _new(scan: Scan, reported: ReportedModel) -> LanguageModel:
    return LanguageModel(
        registry=scan.registry, server=scan.server, key=reported.key, variant=reported.variant or ""
    )  # fmt: skip


def _facts_of(reported: ReportedModel) -> dict[str, Any]:
    kind, kind_derived = facts.model_type(reported)
    parameters = facts.parameters(reported)
    return {
        "name": reported.display_name or reported.key,
        "publisher": reported.publisher or "",
        "description": reported.description or "",
        "type": kind,
        "type_derived": kind_derived,
        "architecture": (reported.architecture or "")[:200],
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


def _told(fresh: dict[str, Any], model: LanguageModel, reported: ReportedModel, api: str) -> dict[str, Any]:
    """The facts to take over: an older API leaves some out, and what is not told does not erase what was known."""
    untold = {name for name, value in fresh.items() if value in (None, "", [])}
    untold &= set(FACTS if api == "v0" else KEPT_WHEN_UNTOLD)
    for name in model.edited:  # a person knows better
        untold |= {*facts.TOGETHER.get(name, (name,))}
    if model.name and not reported.display_name:
        untold.add("name")
    if model.parameters and not model.parameters_derived and not reported.params_string:
        untold |= {"parameters", "parameters_derived", "parameter_count"}
    return {name: value for name, value in fresh.items() if name not in untold}


def _note_changes(scan: Scan, model: LanguageModel, fresh: dict[str, Any], reported: ReportedModel) -> None:
    """Notes what differs; a test of another file is stale."""
    changes = {name: [getattr(model, name), value] for name, value in fresh.items() if getattr(model, name) != value}
    if model.missing:
        changes["missing"] = [True, False]
    if reported.variant and reported.variant != model.variant:
        changes["variant"] = [model.variant, reported.variant]
    if changes:
        scan.changed.append({"key": model.key, "fields": changes})
        model.updated = timezone.now()
    if model.last_tested and (reason := _why_stale(changes)):
        model.stale, model.stale_reason = True, reason


def _why_stale(changes: dict[str, list[Any]]) -> str:
    size_before, size_after = changes.get("size_bytes", (None, None))
    if size_before is not None:
        return f"the file changed from {size_before:,} to {size_after:,} bytes"
    variant_before, variant_after = changes.get("variant", ("", ""))
    return f"the variant changed from {variant_before} to {variant_after}"[:300] if variant_before else ""


def _take_over(model: LanguageModel, fresh: dict[str, Any], reported: ReportedModel) -> None:
    for name, value in fresh.items():
        setattr(model, name, value)
    model.variant = reported.variant or model.variant
    model.missing = False


def _mark_missing(scan: Scan, listing: Listing, known: Iterable[LanguageModel], pairs: Pairs) -> None:
    if listing.rejected:
        return  # an entry that could not be read may be any of them
    offered = {model.pk for model, _ in pairs}
    for model in known:
        if model.pk not in offered and not model.missing:
            model.missing, model.updated = True, timezone.now()
            scan.missing.append(model.key)


def _reconcile(scan: Scan, listing: Listing, known: list[LanguageModel], pairs: Pairs, asked: datetime) -> None:
    """States and loaded copies as the server showed them; a model that is gone is in its memory no more."""
    seen = {model: reported.instances for model, reported in pairs}
    if not listing.rejected:
        seen = dict.fromkeys(known, ()) | seen
    reconciling.reconcile(scan.server, seen, asked=asked)
    ledger.check(scan.server)
