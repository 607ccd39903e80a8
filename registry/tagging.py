"""Tags models: derives the automatic tags of changed models, and adds and removes those of people.

A custom tag is kept as it was typed, but `Prod` and `prod` are one tag: the spelling that a registry knows stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count

from registry import autotags, inserting
from registry.autotags import Facts
from registry.holding import holding
from registry.marking import BATCH, batches, by_registry, changed, distinct
from registry.models import LanguageModel, Registry, Tag
from registry.models.tag import Family, TagQuerySet
from registry.naming import checked_tag, same

FACTS = (
    "key", "name", "description", "type", "type_derived", "architecture", "parameters", "parameters_derived",
    "parameter_count", "vision", "tool_use", "tokens_per_second", "stale",
)  # fmt: skip
READ = ("id", *FACTS, "reasoning_options")  # the columns that `derive_tags` looks at


class Counted(NamedTuple):
    """A tag of a registry: how many models have it."""

    name: str
    family: str
    models: int


def facts_of(model: LanguageModel) -> Facts:
    options = tuple(str(option) for option in model.reasoning_options or ())
    return Facts(**{name: getattr(model, name) for name in FACTS}, reasoning_options=options)


def derive_tags(models: Iterable[LanguageModel]) -> None:
    """Makes the automatic tags of these saved models follow from their facts; writes only what differs.

    At most three kinds of statements for each 500 models; custom tags are not looked at.
    """
    for batch in batches(models):
        with transaction.atomic():
            _derive(batch)


def _derive(models: list[LanguageModel]) -> None:
    had = Tag.objects.automatic().filter(model__in=[model.pk for model in models]).order_by()
    before = {(m, family, name): (pk, why) for pk, m, family, name, why in had.values_list(
        "pk", "model_id", "family", "name", "reason")}  # fmt: skip
    wanted = {
        (model.pk, tag.family, tag.name): tag.reason for model in models for tag in autotags.derive(facts_of(model))
    }
    gone = [pk for key, (pk, _) in before.items() if key not in wanted]
    _delete(gone)
    differing = [
        Tag(model_id=model, family=family, name=name, reason=why)
        for (model, family, name), why in wanted.items()
        if before.get((model, family, name), (0, None))[1] != why
    ]
    inserting.insert(differing, unique=["model", "name", "family"], update=["reason"])


def add_tags(models: Iterable[LanguageModel], names: Iterable[str]) -> int:
    """Puts the tags on each of the models; how many were put on that were not there. ValueError for a bad name."""
    asked: dict[str, str] = {}
    for name in map(checked_tag, names):
        asked.setdefault(same(name), name)
    added = 0
    for registry, some in by_registry(models):
        with holding(registry):
            spelled = asked | {key: name for key, name in _spellings(registry).items() if key in asked}
            had = _had(some)
            new = [(model, name) for model in some for key, name in spelled.items() if (model.pk, key) not in had]
            Tag.objects.bulk_create([Tag(model=model, name=name) for model, name in new], batch_size=BATCH)
            changed(registry, distinct(model for model, _ in new), "tag", f"added {', '.join(spelled.values())}")
        added += len(new)
    return added


def remove_tags(models: Iterable[LanguageModel], names: Iterable[str]) -> int:
    """Takes the custom tags off the models; how many were taken off.

    ValueError when there was nothing to take off because a rule gave the tag.
    """
    asked = {same(checked_tag(name)): name for name in names}
    removed, all_models = 0, list(models)
    for registry, some in by_registry(all_models):
        with holding(registry):
            had = {pk: key for key, pk in _had(some).items() if key[1] in asked}
            _delete(list(had))
            touched = {model for model, _ in had.values()}
            bare = [model for model in some if model.pk in touched]
            changed(registry, bare, "untag", f"removed {', '.join(asked.values())}")
        removed += len(had)
    if not removed:
        _refuse_automatic(all_models, asked)
    return removed


def rename_tag(registry: Registry, old: str, new: str) -> int:
    """Gives a custom tag another name on all models of the registry; how many. ValueError when no model has it."""
    name = checked_tag(new)
    with holding(registry):
        tags = _tags_named(registry, old)
        taken = set(_tags_named(registry, name).exclude(pk__in=tags).values_list("model_id", flat=True))
        models = _models_of(tags, old)
        tags.filter(model__in=taken).delete()
        tags.update(name=name)
        changed(registry, models, "tag", f"renamed {old} to {name}")
    return len(models)


def delete_tag(registry: Registry, name: str) -> int:
    """Takes a custom tag off all models of the registry; how many had it. ValueError when none."""
    with holding(registry):
        tags = _tags_named(registry, name)
        models = _models_of(tags, name)
        tags.delete()
        changed(registry, models, "untag", f"removed {name} from all models")
    return len(models)


def tags_of(registry: Registry) -> list[Counted]:
    """Every tag of the registry with the number of its models: custom ones first, then family by family."""
    tags = Tag.objects.filter(model__registry=registry).order_by().values_list("name", "family")
    order = [Family.CUSTOM, *(family for family in Family if family != Family.CUSTOM)]
    counted = [Counted(name, family, models) for name, family, models in tags.annotate(models=Count("pk"))]
    return sorted(counted, key=lambda tag: (order.index(Family(tag.family)), same(tag.name), tag.name))


def _spellings(registry: Registry) -> dict[str, str]:
    """How the registry spells its custom tags, by what all spellings have in common."""
    names = Tag.objects.custom().filter(model__registry=registry).order_by("-name").values_list("name", flat=True)
    return {same(name): name for name in names.distinct()}


def _had(models: Sequence[LanguageModel]) -> dict[tuple[int, str], int]:
    """The custom tags of the models: (model, name without its capitals) -> key of the row."""
    had: dict[tuple[int, str], int] = {}
    for batch in batches(models):
        tags = Tag.objects.custom().filter(model__in=[model.pk for model in batch]).order_by()
        had |= {(model, same(name)): pk for pk, model, name in tags.values_list("pk", "model_id", "name")}
    return had


def _tags_named(registry: Registry, name: str) -> TagQuerySet:
    """The custom tags of the registry with this name, in any spelling."""
    tags = Tag.objects.custom().filter(model__registry=registry).order_by()
    return tags.filter(
        name__in=[known for known in set(tags.values_list("name", flat=True)) if same(known) == same(name)]
    )


def _models_of(tags: TagQuerySet, name: str) -> list[LanguageModel]:
    models = [tag.model for tag in tags.select_related("model")]
    if not models:
        raise ValueError(
            f"No model has a tag {name} of its own; tags that rules give can neither be renamed nor taken off."
        )
    return distinct(models)


def _delete(keys: Sequence[int]) -> None:
    for start in range(0, len(keys), BATCH):
        Tag.objects.filter(pk__in=keys[start : start + BATCH]).delete()


def _refuse_automatic(models: Iterable[LanguageModel], asked: dict[str, str]) -> None:
    for batch in batches(models):
        for tag in Tag.objects.automatic().filter(model__in=[model.pk for model in batch]).select_related("model"):
            if same(tag.name) in asked:
                raise ValueError(
                    f"The tag {tag.name} of {tag.model} follows from a fact and cannot be taken off. {tag.reason}"
                )
