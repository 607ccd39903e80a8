"""Changes models by hand: adds custom ones, sets facts that scans then leave alone, and forgets what is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from registry import announcing, auditing, facts, replacing, tagging
from registry.contents import MODEL
from registry.documents import native
from registry.documents.checking import Check, fields_of
from registry.documents.columns import MODEL as CHECKS
from registry.documents.content import Fields
from registry.documents.faults import Faults
from registry.holding import holding
from registry.marking import batches, by_registry, changed, distinct, note
from registry.models import LanguageModel, Registry, Snapshot, Tag
from registry.models.language_model import CheckStatus
from registry.placing import BY_HAND

LABELS = ("notes", "favourite", "pinned")  # no server tells them
SETTABLE = ("name", "description", "type", "parameters", "architecture", "quantization")
CUSTOM_ONLY = ("size_bytes", "declared_context")  # a server measures them, so nobody may know better
EDITABLE = (*LABELS, *SETTABLE, *CUSTOM_ONLY)


def add_custom(registry: Registry, fields: Fields, *, faults: Faults | None = None) -> LanguageModel:
    """Adds a model that no server offers, from the guide's fields (`id` or `key`, `name`, `size_mb`, `tags`, ...).

    `faults` collects warnings, such as fields that nobody here knows.
    Raises Unreadable, which is a ValueError, with every fault, and ValueError when there is a model with this id.
    """
    key = fields.get("key") or fields.get("id")
    if not isinstance(key, str) or not key:
        raise ValueError("A model needs an id, such as custom-llama-7b.")
    told = {name: value for name, value in fields.items() if name not in ("server", "server_url")}
    ((identity, read),) = native.from_native({"models": {key: told}}, faults=faults).models.items()
    with holding(registry) as held:
        if same := LanguageModel.objects.filter(registry=held, key=identity.key).with_public_id().first():
            raise ValueError(f"There is a model {same.public_id} in registry {held} already; choose another id.")
        values = {"name": identity.key, "source": BY_HAND} | MODEL.values(read)
        model = LanguageModel(registry=held, key=identity.key, variant=identity.variant, **values)
        model.save()
        names = tagging.spelled_here(held, read.get("tags") or ())
        Tag.objects.bulk_create(Tag(model=model, name=name) for name in names)
        tagging.derive_tags([model])
        held.touch()
        auditing.note("add", model, summary="by hand")
    announcing.announce("model", model.pk)
    return model


def edit(model: LanguageModel, **changes: Any) -> LanguageModel:
    """Sets what a person knows better; facts of a server's model are left alone by scans from then on.

    Any of EDITABLE; size and declared context (tokens) of custom models only. ValueError for a bad value.
    """
    if unknown := changes.keys() - set(EDITABLE):
        raise ValueError(f"{min(unknown)} cannot be edited; what can be is {', '.join(EDITABLE)}.")
    told = _checked(changes)
    if "name" in told and not told["name"]:
        raise ValueError("A model needs a name.")
    if "parameters" in told:
        told |= {"parameters_derived": False, "parameter_count": facts.count_of(told["parameters"])}
    if "type" in told:
        told["type_derived"] = False
    with holding(model.registry) as held:
        now = LanguageModel.objects.select_related("server").get(pk=model.pk)
        before = {name: getattr(now, name) for name in told}
        told = {name: value for name, value in told.items() if value != before[name]}
        if now.server is not None and (fixed := told.keys() & set(CUSTOM_ONLY)):
            raise ValueError(f"{now}: {min(fixed)} is what {now.server} says; only models added by hand can change it.")
        if told:
            now.edited = _edited(now, told)
            _write(held, now, told, before)
    return now


def _checked(changes: Fields) -> Fields:
    faults = Faults()
    checks: dict[str, Check] = {name: CHECKS[name] for name in EDITABLE}
    told = fields_of(changes, checks, "", faults)
    faults.settle()
    return told


def _edited(model: LanguageModel, told: Fields) -> list[str]:
    """The facts that scans leave alone; a model that no server offers needs none."""
    set_now = [name for name in SETTABLE if name in told and model.server is not None]
    return sorted({*model.edited, *set_now})


def _write(held: Registry, model: LanguageModel, told: Fields, before: Fields) -> None:
    for name, value in (told | {"updated": timezone.now()}).items():
        setattr(model, name, value)
    model.save(update_fields=[*told, "edited", "updated"])
    tagging.derive_tags([model])
    held.touch()
    auditing.note("edit", model, changes={name: (before[name], value) for name, value in told.items()})
    announcing.announce("model", model.pk)


def give_back(model: LanguageModel, names: Iterable[str]) -> LanguageModel:
    """Lets the next scan tell these facts again. ValueError for one that no person has set."""
    given = set(names)
    with holding(model.registry) as held:
        now = LanguageModel.objects.get(pk=model.pk)
        before = list(now.edited)
        if other := given - set(before):
            raise ValueError(f"{now}: {min(other)} was not set by a person.")
        _write(held, now, {"edited": [name for name in before if name not in given]}, {"edited": before})
    return now


def set_favourite(models: Iterable[LanguageModel], on: bool) -> int:
    """Makes the models favourites, or with `on` false no longer; how many changed."""
    return _mark(models, "favourite", on)


def set_pinned(models: Iterable[LanguageModel], on: bool) -> int:
    """Marks the models to be kept in memory, or with `on` false no longer; how many changed."""
    return _mark(models, "pinned", on)


def _mark(models: Iterable[LanguageModel], name: str, on: bool) -> int:
    count = 0
    for registry, some in by_registry(models):
        with holding(registry) as held:
            differing: list[LanguageModel] = []
            for batch in batches(some):
                rows = LanguageModel.objects.filter(pk__in=[model.pk for model in batch])
                differing += rows.exclude(**{name: on})
                rows.update(**{name: on})
            changed(held, differing, "edit", f"{name}: {'yes' if on else 'no'}")
        count += len(differing)
    return count


@dataclass(frozen=True)
class Losses:
    """What forgetting models would take along."""

    models: list[LanguageModel]  # that would be forgotten
    refused: list[LanguageModel]  # that a server still offers: the next scan would bring them back
    tested: int  # of `models`: how many have test results


def losses(models: Iterable[LanguageModel]) -> Losses:
    """Which of the models can be forgotten: those that are missing or were added by hand."""
    given = distinct(models)
    gone = [model for model in given if model.missing or model.server_id is None]
    kept = [model for model in given if not (model.missing or model.server_id is None)]
    return Losses(gone, kept, sum(model.last_tested is not None for model in gone))


def forget(models: Iterable[LanguageModel]) -> list[Snapshot]:
    """Deletes models that are missing or were added by hand, with their results; gives the snapshots to come back to.

    ValueError, and nothing is deleted, when a server still offers one of them or one is being tested.
    """
    given = distinct(models)
    _check_forgettable(given)
    return [_forget(registry, some) for registry, some in by_registry(given)]


def _check_forgettable(models: list[LanguageModel]) -> None:
    if refused := losses(models).refused:
        raise ValueError(f"{refused[0]} is still offered by a server: the next scan would bring it back.")
    if busy := [model for model in models if model.test_status == CheckStatus.TESTING]:
        raise ValueError(f"{busy[0]} is being tested; cancel the test first.")


def _forget(registry: Registry, models: list[LanguageModel]) -> Snapshot:
    many = f"{len(models):,} models" if len(models) > 1 else str(models[0])

    def work(held: Registry) -> None:
        for batch in batches(models):  # a scan or a test may have begun meanwhile
            _check_forgettable(list(LanguageModel.objects.filter(pk__in=[model.pk for model in batch])))
        note(held, models, "forget", "with its test results")
        for batch in batches(models):
            LanguageModel.objects.filter(pk__in=[model.pk for model in batch]).delete()
        held.touch()

    return replacing.guarded(registry, f"before: forget {many}", work)
