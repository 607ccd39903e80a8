"""Tags models: derives the automatic tags of changed models, and adds and removes those of people.

A custom tag is kept as it was typed, but `Prod` and `prod` are one tag: the spelling that a registry knows stays.
"""

from __future__ import annotations

from collections import defaultdict
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
from registry.spelling import alike, spellings

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
    asked = list(map(checked_tag, names))
    added = 0
    for registry, some in by_registry(models):
        with holding(registry):
            spelled = {same(name): name for name in spelled_here(registry, asked)}
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
    """Gives a custom tag another name on all models of the registry; how many. ValueError when no model has it.

    Models that have the new name in another spelling get this one.
    """
    name = checked_tag(new)
    with holding(registry):
        models = _models_of(_tags_named(registry, old), old)
        changed(registry, _spell(_tags_named(registry, old, name), name), "tag", f"renamed {old} to {name}")
    return len(models)


def _spell(tags: TagQuerySet, name: str) -> list[LanguageModel]:
    """Makes all these tags one of this name, once on a model; the models whose tags changed."""
    kept: dict[int, Tag] = {}
    doubled = []
    for tag in sorted(tags.select_related("model"), key=lambda tag: tag.name != name):
        if kept.setdefault(tag.model_id, tag) is not tag:
            doubled.append(tag)
    _delete([tag.pk for tag in doubled])
    tags.exclude(name=name).update(name=name)
    return distinct(tag.model for tag in [*doubled, *(tag for tag in kept.values() if tag.name != name)])


def spelled_twice(registry: Registry) -> list[tuple[str, list[str]]]:
    """The models that have a custom tag in several spellings: the key of each, and the spellings."""
    tags = Tag.objects.custom().filter(model__registry=registry).order_by()
    several = [name for ways in alike(tags.values_list("name", flat=True).distinct()) for name in ways]
    names: dict[tuple[str, int], list[str]] = defaultdict(list)
    for key, model, name in tags.filter(name__in=several).values_list("model__key", "model_id", "name"):
        names[key, model].append(name)
    return [(key, ways) for (key, _), found in sorted(names.items()) for ways in alike(found)]


def spell_once(registry: Registry) -> None:
    """Leaves the first spelling of each tag that a model has in several, on all models of the registry."""
    with holding(registry):
        for name in spellings(ways[0] for _, ways in spelled_twice(registry)).values():
            tags = _tags_named(registry, name)
            first = min(tags.values_list("name", flat=True))
            changed(registry, _spell(tags, first), "tag", f"spelled {first} everywhere")


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


def spelled_here(registry: Registry, names: Iterable[str]) -> list[str]:
    """The custom tags as the registry spells them, each once; a new one as it is given first."""
    known = Tag.objects.custom().filter(model__registry=registry).order_by("name").values_list("name", flat=True)
    wanted = spellings(names)
    return list((wanted | {key: name for key, name in spellings(known.distinct()).items() if key in wanted}).values())


def _had(models: Sequence[LanguageModel]) -> dict[tuple[int, str], int]:
    """The custom tags of the models: (model, name without its capitals) -> key of the row."""
    had: dict[tuple[int, str], int] = {}
    for batch in batches(models):
        tags = Tag.objects.custom().filter(model__in=[model.pk for model in batch]).order_by()
        had |= {(model, same(name)): pk for pk, model, name in tags.values_list("pk", "model_id", "name")}
    return had


def _tags_named(registry: Registry, *names: str) -> TagQuerySet:
    """The custom tags of the registry with one of these names, in any spelling."""
    tags, wanted = Tag.objects.custom().filter(model__registry=registry).order_by(), {same(name) for name in names}
    return tags.filter(name__in=[known for known in set(tags.values_list("name", flat=True)) if same(known) in wanted])


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
