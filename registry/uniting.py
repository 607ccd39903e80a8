"""What two sides come to by a sync: both get the same, but for what only the own host can tell. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from registry.documents.content import Content, Fields
from registry.merging import Dispute, Merged, merge
from registry.placing import HOST_BOUND, foreign, placed
from registry.three_way import three_way


@dataclass(frozen=True)
class United:
    """What each side is to hold, and what both then have in common: the base of the next sync."""

    first: Content
    second: Content
    common: Content
    undecided: list[Dispute]
    conflicts: list[Dispute]
    warnings: list[str]


def unite(base: Content | None, first: Content, second: Content, strategy: str, *, results: bool = False) -> United:
    """Three-way from `base`, what both had after their last sync; without one both get everything of both.

    At an address that is another place for the other side (a loopback one, on another host), test results stay where
    they are unless `results` asks for them, and so does what is missing or forgotten there.
    """
    first = placed(second, first)
    second = placed(first, second)
    away = frozenset() if results else foreign(first, second)
    ours, theirs = shared(first, away), shared(second, away)
    if base is None:
        merged = merge(ours, theirs, strategy)
    else:
        merged = _three_way(shared(base, away), ours, theirs, strategy, away)
    return United(
        _own(first, second, merged.content, base, away),
        _own(second, first, merged.content, base, away),
        merged.content,
        merged.undecided,
        merged.conflicts,
        merged.warnings,
    )


def shared(content: Content, away: frozenset[str]) -> Content:
    """`content` without what only its host can tell; it has no host of its own then."""
    models = {
        model: _without(fields, HOST_BOUND) if model.server in away else fields
        for model, fields in content.models.items()
    }
    servers: dict[str, Fields] = {url: {} if url in away else told for url, told in content.servers.items()}
    return replace(content, models=models, servers=servers, host="")


def _without(fields: Fields, names: frozenset[str]) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def _three_way(base: Content, ours: Content, theirs: Content, strategy: str, away: frozenset[str]) -> Merged:
    """As `three_way`; what one side forgot of its own loopback server the other has not forgotten."""
    return three_way(base, _reminded(base, ours, theirs, away), _reminded(base, theirs, ours, away), strategy)


def _reminded(base: Content, side: Content, other: Content, away: frozenset[str]) -> Content:
    """`side` with the models on `away` addresses that it forgot and `other` has, in their groups too."""
    forgotten = {
        model: fields
        for model, fields in other.models.items()
        if model.server and model.server in away and model in base.models and model not in side.models
    }
    if not forgotten:
        return side
    groups = dict(side.groups)
    for name in groups.keys() & base.groups.keys():
        members, before = groups[name].get("models") or [], base.groups[name].get("models") or []
        kept = [member for member in before if member in members or member in forgotten]
        groups[name] = groups[name] | {"models": kept + [member for member in members if member not in kept]}
    return replace(side, models=side.models | forgotten, groups=groups)


def _own(side: Content, other: Content, common: Content, base: Content | None, away: frozenset[str]) -> Content:
    """`common` as `side` is to hold it: with its own name and dates, and what only its host can tell."""
    before = base.models if base is not None else {}
    models = {}
    for model, fields in common.models.items():
        if model.server not in away:
            models[model] = fields
        elif model in side.models:
            models[model] = fields | {name: side.models[model][name] for name in HOST_BOUND & side.models[model].keys()}
        elif model not in before or not model.server:
            models[model] = fields | ({"missing": True} if model.server else {})  # until a scan finds it here too
    groups = {
        name: fields | {"models": [member for member in fields.get("models") or () if member in models]}
        for name, fields in common.groups.items()
    }
    servers = {
        url: side.servers.get(url, other.servers.get(url, {})) if url in away else fields
        for url, fields in common.servers.items()
    }
    return replace(
        common,
        models=models,
        groups=groups,
        servers=servers,
        registry=side.registry,
        host=side.host,
        extra=side.extra,
        last_updated=side.last_updated,
        last_scan=side.last_scan,
    )
