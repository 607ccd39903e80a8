"""Groups models of one registry, on any servers, in an order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import F
from django.utils import timezone

from registry import announcing, auditing
from registry.holding import holding
from registry.models import Group, GroupMember, LanguageModel, Registry
from registry.models.language_model import LanguageModelQuerySet
from registry.naming import checked, same, tidy

BATCH = 500


def group_named(registry: Registry, name: str) -> Group:
    """The group of this name, whatever its capitals; ValueError that names those there are."""
    found = find_group(registry, name)
    if found is None:
        names = ", ".join(registry.groups.values_list("name", flat=True)[:20])
        raise ValueError(f"There is no group named {name}; {f'there is {names}' if names else 'there is none yet'}.")
    return found


def find_group(registry: Registry, name: str) -> Group | None:
    """The group of this name, whatever its capitals, if there is one."""
    alike = [group for group in registry.groups.all() if same(group.name) == same(tidy(name))]
    return min(alike, key=lambda group: group.name != name, default=None)


def models_of(group: Group, models: LanguageModelQuerySet | None = None) -> LanguageModelQuerySet:
    """The models of a group (of `models`, where given) in its order, each with its `place`."""
    members = (LanguageModel.objects.all() if models is None else models).filter(memberships__group=group)
    return members.annotate(place=F("memberships__position")).order_by("place", "memberships__pk")


def create_group(registry: Registry, name: str, models: Iterable[LanguageModel] = (), description: str = "") -> Group:
    """A new group with the models in the given order; ValueError for a bad or taken name or a foreign model."""
    with holding(registry) as registry:
        name = _free(registry, name)
        group = Group.objects.create(registry=registry, name=name, description=description.strip())
        count = _append(group, models)
        _noted(group, "add", f"with {_models(count)}")
    return group


def edit_group(group: Group, *, name: str | None = None, description: str | None = None) -> Group:
    """Another name or description; None leaves it as it is."""
    with holding(group.registry):
        group.refresh_from_db()
        before = (group.name, group.description)
        if name is not None:
            group.name = _free(group.registry, name, group)
        if description is not None:
            group.description = description.strip()
        after = (group.name, group.description)
        changes = {
            field: (old, new)
            for field, old, new in zip(("name", "description"), before, after, strict=True)
            if old != new
        }
        if changes:
            group.save(update_fields=["name", "description"])
            _noted(group, "edit", changes=changes)
    return group


def add_to_group(group: Group, models: Iterable[LanguageModel]) -> int:
    """Puts the models at the end of the group; how many were not in it before."""
    with holding(group.registry):
        count = _append(group, models)
        if count:
            _noted(group, "edit", f"added {_models(count)}")
    return count


def remove_from_group(group: Group, models: Iterable[LanguageModel]) -> int:
    """Takes the models out of the group; how many were in it."""
    keys = [model.pk for model in models]
    with holding(group.registry):
        count = 0
        for start in range(0, len(keys), BATCH):
            count += group.members.filter(model__in=keys[start : start + BATCH]).delete()[0]
        if count:
            _noted(group, "edit", f"took out {_models(count)}")
    return count


def reorder(group: Group, ids: Sequence[int]) -> None:
    """Puts the models with these keys first, in this order; the others follow as they were.

    ValueError when one of them is not in the group. Writes only the places that change.
    """
    with holding(group.registry):
        members = {member.model_id: member for member in group.members.all()}
        strangers = [str(pk) for pk in ids if pk not in members]
        if strangers:
            raise ValueError(f"Group {group} has no model {', '.join(strangers[:10])}; look at it again.")
        moved = []
        for position, pk in enumerate(dict.fromkeys([*ids, *members])):
            if members[pk].position != position:
                members[pk].position = position
                moved.append(members[pk])
        if moved:
            GroupMember.objects.bulk_update(moved, ["position"], batch_size=BATCH)
            _noted(group, "edit", "another order")


def move(group: Group, model: LanguageModel, places: int) -> None:
    """Moves a model by so many places, down or (negative) up; it stops at the ends."""
    order = list(group.members.values_list("model_id", flat=True))
    if model.pk not in order:
        raise ValueError(f"{model} is not in group {group} any more.")
    place = order.index(model.pk)
    order.insert(max(0, place + places), order.pop(place))
    reorder(group, order)


def delete_group(group: Group) -> None:
    """Deletes the group; its models stay."""
    with holding(group.registry):
        _noted(group, "delete", f"with {_models(group.members.count())}, which stay")
        group.delete()


def _append(group: Group, models: Iterable[LanguageModel]) -> int:
    there = set(group.members.values_list("model_id", flat=True))
    new = [model for model in {model.pk: model for model in models}.values() if model.pk not in there]
    foreign = next((model for model in new if model.registry_id != group.registry_id), None)
    if foreign is not None:
        raise ValueError(f"{foreign} is in another registry than group {group}; a group keeps to its own.")
    last = group.members.order_by("-position").values_list("position", flat=True).first()
    first = 0 if last is None else last + 1
    GroupMember.objects.bulk_create(
        [GroupMember(group=group, model=model, position=first + n) for n, model in enumerate(new)], batch_size=BATCH
    )
    return len(new)


def _free(registry: Registry, name: str, own: Group | None = None) -> str:
    """The tidied name, when no other group of the registry has it."""
    name = checked("group", name)
    others = registry.groups.values_list("pk", "name")
    if taken := next((other for pk, other in others if same(other) == same(name) and (not own or pk != own.pk)), None):
        raise ValueError(f"There is a group named {taken} already.")
    return name


def _noted(group: Group, action: str, summary: str = "", changes: dict[str, tuple[str, str]] | None = None) -> None:
    group.updated = timezone.now()
    group.save(update_fields=["updated"])
    group.registry.touch()
    auditing.note(action, group, summary=summary, changes=changes)
    announcing.announce("group", group.pk)


def _models(count: int) -> str:
    return f"{count:,} model{'' if count == 1 else 's'}"
