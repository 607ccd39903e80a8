"""Writes the groups and profiles of a Content."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from registry.contents import GROUP, PROFILE, groups_of, profiles_of
from registry.documents.content import Fields, ModelId
from registry.models import Group, GroupMember, Profile, Registry

Note = Callable[..., None]


def write_groups(held: Registry, wanted: Mapping[str, Fields], models: dict[ModelId, int], note: Note) -> None:
    """Makes the groups what `wanted` tells, each with its models in order; `models`: what there is, by identity."""
    identities = {pk: identity for identity, pk in models.items()}
    before = groups_of(held, identities)
    rows = {group.name: group for group in Group.objects.filter(registry=held)}
    gone = [group.pk for name, group in rows.items() if name not in wanted]
    Group.objects.filter(pk__in=gone).delete()
    added = changed = 0
    for name, fields in wanted.items():
        members = [ModelId(*member) for member in fields.get("models") or ()]
        pks = list(dict.fromkeys(models[member] for member in members if member in models))
        if name not in rows:
            _place(Group.objects.create(registry=held, name=name, **GROUP.values(fields)), pks)
            added += 1
            continue
        changes = GROUP.changes(before[name], fields)
        moved = "models" in fields and pks != [models[member] for member in before[name]["models"]]
        if changes:
            Group.objects.filter(pk=rows[name].pk).update(**GROUP.values(changes))
        if moved:
            _place(rows[name], pks)
        changed += bool(changes or moved)
    note("group", added, changed, len(gone))


def _place(group: Group, models: list[int]) -> None:
    GroupMember.objects.filter(group=group).delete()
    places = [GroupMember(group=group, model_id=model, position=number) for number, model in enumerate(models)]
    GroupMember.objects.bulk_create(places)


def write_profiles(held: Registry, wanted: Mapping[str, Fields], note: Note) -> None:
    """Makes the profiles what `wanted` tells."""
    before = profiles_of(held)
    here = Profile.objects.filter(registry=held)
    gone = [name for name in before if name not in wanted]
    for name in gone:
        here.filter(name=name).delete()
    added = changed = 0
    for name, fields in wanted.items():
        if name not in before:
            Profile.objects.create(registry=held, name=name, **PROFILE.values(fields))
            added += 1
        elif changes := PROFILE.changes(before[name], fields):
            here.filter(name=name).update(**PROFILE.values(changes))
            changed += 1
    note("profile", added, changed, len(gone))
