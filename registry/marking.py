"""What every change of several models does around it: lock by registry, work in batches, mark and note the change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from django.utils import timezone

from registry import announcing, auditing
from registry.models import LanguageModel, Registry

BATCH = 500
NOTED_SINGLY = 50  # models of one change that each get a note of their own


def batches(models: Iterable[LanguageModel]) -> Iterator[list[LanguageModel]]:
    """The models, some hundred at a time: as many as one statement takes."""
    rest = iter(models)
    while batch := list(islice(rest, BATCH)):
        yield batch


def distinct(models: Iterable[LanguageModel]) -> list[LanguageModel]:
    return list({model.pk: model for model in models}.values())


def by_registry(models: Iterable[LanguageModel]) -> Iterator[tuple[Registry, list[LanguageModel]]]:
    """The distinct models by the registry they are in."""
    by: dict[int, list[LanguageModel]] = {}
    for model in distinct(models):
        by.setdefault(model.registry_id, []).append(model)
    registries = Registry.objects.in_bulk(by)
    for registry, some in by.items():
        yield registries[registry], some


def changed(registry: Registry, models: Sequence[LanguageModel], action: str, summary: str) -> None:
    """Marks the models and the registry as changed, and notes it: on each of a few models, once for many."""
    if not models:
        return
    now = timezone.now()
    for batch in batches(models):
        LanguageModel.objects.filter(pk__in=[model.pk for model in batch]).update(updated=now)
    registry.touch()
    note(registry, models, action, summary)


def note(registry: Registry, models: Sequence[LanguageModel], action: str, summary: str) -> None:
    """Notes what was done to the models, and tells the pages."""
    if len(models) > NOTED_SINGLY:
        auditing.note(action, None, kind="model", name=f"{len(models):,} models", summary=summary, registry=registry)
        announcing.announce("model", models[0].pk)
        return
    for model in models:
        auditing.note(action, model, summary=summary)
        announcing.announce("model", model.pk)
