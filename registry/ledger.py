"""The ledger of loaded copies: who loaded each, what was asked for, what is in force, and how the two differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from django.db import transaction

from registry import announcing, drifting, notifying
from registry.lmstudio.wire import ReportedInstance
from registry.models import Instance, LanguageModel, Server
from registry.models.instance import LoadedBy
from registry.reconciling import credible, options

Facts = Mapping[str, Any]


def seen(model: LanguageModel, copy: ReportedInstance, **facts: Any) -> Instance:
    """Writes what a server shows of a loaded copy, in every registry that has the model; gives the row of `model`.

    `facts`: `loaded_by`, `asked`, `memory_bytes`, where they are known; what was known of it stays otherwise.
    """
    shown = {"server": model.server, "context_length": credible(copy.context_length), "options": options(copy)}
    same = LanguageModel.objects.filter(server=model.server, key=model.key, variant=model.variant)
    with transaction.atomic():
        for each in same.order_by("pk"):
            Instance.objects.update_or_create(model=each, instance_id=copy.id, defaults=shown | facts)
        if model.server is not None:
            check(model.server)
    return Instance.objects.select_related("model__server", "server").get(model=model, instance_id=copy.id)


def check(server: Server) -> int:
    """Says anew how the copies on `server` differ from what was asked for; gives how many changed in that.

    A context may change behind our back, and a second copy of a model (`key:2`) come and go.
    """
    rows = (
        Instance.objects.filter(server=server).select_related("model", "server").order_by("model", "first_seen", "pk")
    )
    changed = []
    for _, copies in groupby(rows, key=lambda row: row.model_id):
        first = ""
        for row in copies:
            told = _drift(row, first)
            first = first or row.instance_id
            if told != row.drift:
                row.drift = told
                changed.append(row)
    if changed:
        with transaction.atomic():
            Instance.objects.bulk_update(changed, ["drift"], batch_size=100)
            _tell(changed)
    return len(changed)


def facts_of(server: Server) -> dict[str, dict[str, Any]]:
    """What only the ledger knows of the copies on `server`, by their ids: for who sets them aside for a while."""
    names = ("loaded_by", "asked", "memory_bytes")
    rows = Instance.objects.filter(server=server).exclude(loaded_by=LoadedBy.OTHERS)
    return {row.instance_id: {name: getattr(row, name) for name in names} for row in rows}


def applied(row: Instance) -> dict[str, Any]:
    """What is in force, by the names of load options."""
    return {"context_length": row.context_length, **row.options}


def _drift(row: Instance, first: str) -> str:
    if row.loaded_by == LoadedBy.EXPERIMENT:
        return ""  # to try what a server makes of a size is what it is for
    return drifting.drift(row.asked, applied(row), first)


def _tell(rows: Iterable[Instance]) -> None:
    """Pages hear of every change; webhooks of a drift, once for a copy however many registries have its model."""
    told = set()
    for row in rows:
        announcing.announce("state", row.model_id)
        if row.drift and (row.instance_id, row.drift) not in told:
            told.add((row.instance_id, row.drift))
            details = {"server": row.server.name, "model": row.model.key, "instance": row.instance_id}
            notifying.notify("load.drift", row.model.key, details | {"drift": row.drift, "asked": row.asked,
                                                                     "applied": applied(row)})  # fmt: skip
