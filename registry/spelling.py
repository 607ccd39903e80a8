"""One spelling of each name: `Prod` and `prod` are one tag, group or profile, and the spelling here stays. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from registry.documents.content import Content, Fields
from registry.naming import same
from registry.strategies import UPDATE, combined


def spellings(names: Iterable[str]) -> dict[str, str]:
    """By what all spellings of a name have in common: the first one."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(same(name), name)
    return found


def alike(names: Iterable[str]) -> list[list[str]]:
    """The names that are written in more than one way, all ways of each together, sorted."""
    ways: dict[str, set[str]] = defaultdict(set)
    for name in names:
        ways[same(name)].add(name)
    return sorted(sorted(found) for found in ways.values() if len(found) > 1)


def respelled(existing: Content, incoming: Content) -> Content:
    """`incoming` with its tags, groups and profiles spelled as in `existing`, and each of them once.

    A tag as the model has it here, else as the registry has it, else as it comes in first.
    """
    known = spellings([*sorted(_tags(existing)), *sorted(_tags(incoming))])
    models = {
        model: _spelled(fields, existing.models.get(model, {}).get("tags") or (), known)
        for model, fields in incoming.models.items()
    }
    return replace(
        incoming,
        models=models,
        groups=_named("group", existing.groups, incoming.groups),
        profiles=_named("profile", existing.profiles, incoming.profiles),
    )


def _tags(content: Content) -> set[str]:
    return {tag for fields in content.models.values() for tag in fields.get("tags") or ()}


def _spelled(fields: Fields, had: Collection[str], known: dict[str, str]) -> Fields:
    tags, own = fields.get("tags") or [], spellings(had)
    wanted = sorted({tag if tag in had else own.get(same(tag), known[same(tag)]) for tag in tags})
    return fields if wanted == tags else fields | {"tags": wanted}


def _named(kind: str, existing: dict[str, Fields], incoming: dict[str, Fields]) -> dict[str, Fields]:
    """The objects under their names here; several that are one are put together."""
    known = spellings([*existing, *incoming])
    made: dict[str, Fields] = {}
    for name, fields in incoming.items():
        spelled = name if name in existing else known[same(name)]
        made[spelled] = combined(kind, made[spelled], fields, UPDATE)[0] if spelled in made else fields
    return made
