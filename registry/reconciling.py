"""Makes states and loaded copies what a look at their server showed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from registry import draining, states
from registry.lmstudio.wire import ReportedInstance
from registry.marking import BATCH
from registry.models import GatewayProcess, Instance, LanguageModel, Server, StateChange
from registry.models.language_model import State
from registry.models.state_change import Cause

Copies = tuple[ReportedInstance, ...]
Seen = Mapping[LanguageModel, Copies]

UNDER_WAY = (State.LOADING, State.UNLOADING)


def reconcile(server: Server, seen: Seen, *, asked: datetime, reason: str = "") -> list[StateChange]:
    """Writes states and copies of the models in `seen` (all of `server`), as it showed them when it was `asked`.

    What LMStrix is doing itself, or did since, is newer than what was seen: such models are left alone. Call it
    with the server's row locked. `reason` is told with each change that is found.
    """
    with transaction.atomic():
        busy = _is_busy(server)
        fresh = {m: copies for m, copies in seen.items() if not (m.state_since and m.state_since > asked)}
        fresh = {m: copies for m, copies in fresh.items() if not (busy and m.state in UNDER_WAY)}
        wanted, contexts, reasons = {}, {}, {}
        carried = _carried(server, fresh)
        for model, copies in fresh.items():
            state = _state(model, bool(copies), model.pk in carried)
            if state == model.state:
                continue
            wanted[model] = state
            contexts[model] = max((c for copy in copies if (c := credible(copy.context_length))), default=None)
            reasons[model] = reason or _why(State(model.state), state)
        rows = states.changes(wanted, cause=Cause.SEEN, reasons=reasons, contexts=contexts, asked=asked)
        _write_copies(server, fresh)
    return rows


def _is_busy(server: Server) -> bool:
    """Whether somebody loads or unloads there now, under the load lock or as an experiment."""
    held = Q(load_until__gt=Now()) | Q(experiment_until__gt=Now())
    return Server.objects.filter(held, pk=server.pk).exists()


def _carried(server: Server, seen: Seen) -> set[int]:
    """Of the active models those with a request in a web process that lives."""
    if all(model.state != State.ACTIVE for model in seen):
        return set()
    live = GatewayProcess.objects.filter(seen__gte=Now() - draining.SILENT).values_list("in_flight", flat=True)
    busy = {key for in_flight in live for key, count in in_flight.items() if count}
    return {m.pk for m, copies in seen.items() if any(draining.key_of(server.pk, copy.id) in busy for copy in copies)}


def _state(model: LanguageModel, loaded: bool, carried: bool) -> State:
    """What a model is that the server showed loaded, or not."""
    now = State(model.state)
    if loaded:
        return State.ACTIVE if now == State.ACTIVE and carried else State.LOADED
    # an error is remembered until the next load
    return State.ERROR if now == State.ERROR and not model.missing else State.UNLOADED


def _why(old: State, new: State) -> str:
    if old == State.LOADING and new == State.UNLOADED:
        return "whoever was loading it is gone, and it is not loaded"
    if old == State.UNLOADING and new == State.LOADED:
        return "whoever was unloading it is gone, and it is still loaded"
    if old == State.ACTIVE and new == State.UNLOADED:
        return "gone from the server's memory while it answered"
    if old == State.ACTIVE:
        return "no request is under way there any more"
    return "found in the server's memory" if new == State.LOADED else "gone from the server's memory"


def _write_copies(server: Server, seen: Seen) -> None:
    """The copies of these models as rows; what is known of a copy that stays (who loaded it, ...) stays."""
    models = {model.pk for model in seen}
    rows = {(row.model_id, row.instance_id): row for row in Instance.objects.filter(server=server)}
    there = {(model.pk, copy.id): (model, copy) for model, copies in seen.items() for copy in copies}
    gone = [row.pk for key, row in rows.items() if row.model_id in models and key not in there]
    for start in range(0, len(gone), BATCH):
        Instance.objects.filter(pk__in=gone[start : start + BATCH]).delete()
    told = []
    for key, (model, copy) in there.items():
        fields: dict[str, Any] = {"context_length": credible(copy.context_length), "options": options(copy)}
        if (row := rows.get(key)) is None or any(getattr(row, name) != value for name, value in fields.items()):
            told.append(Instance(server=server, model=model, instance_id=copy.id, **fields))
    Instance.objects.bulk_create(
        told, update_conflicts=True, unique_fields=["model", "instance_id"],
        update_fields=["context_length", "options"],
    )  # fmt: skip


def credible(context: int | None) -> int | None:
    """A context of 2^31 tokens or more is no context (and does not fit into the column): unknown."""
    return context if context is not None and context < 2**31 else None


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
