"""Merges what comes in into what is here, and takes over what a person chose. Pure.

Absent in what comes in never deletes. The result is a whole content, to be written by `applying`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from registry.diffing import ADDED, MISSING, Change, diff
from registry.documents import lmstrix_file
from registry.documents.content import RESULTS, Content, Fields, ModelId, public_ids
from registry.placing import in_order, matched, placed, portable, renamed
from registry.spelling import respelled
from registry.strategies import PREFER_NEWER, SKIP, combined, later, newer, parts_of, strategy_named


class Dispute(NamedTuple):
    """An object of which both sides say something else."""

    kind: str
    id: str
    fields: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        what = ", ".join(name.replace("_", " ") for name in self.fields)
        return f"{self.kind} {self.id}{': ' if what else ''}{what} ({self.reason})"


@dataclass(frozen=True)
class Merged:
    """What a merge comes to."""

    content: Content
    undecided: list[Dispute] = field(default_factory=list)  # existing won because neither side is newer
    conflicts: list[Dispute] = field(default_factory=list)  # three-way: both sides changed it
    warnings: list[str] = field(default_factory=list)


def merge(existing: Content, incoming: Content, strategy: str, *, results: bool | None = None) -> Merged:
    """`existing` with what `incoming` brings, by `strategy` (see `strategies`).

    `results`: test results come along True always, False never, None when they are of the same server: the same
    address, and for addresses of the own host the same host. Names that differ by capitals alone are one, spelled as
    in `existing`. Raises Unreadable when a model could be several.
    """
    strategy = strategy_named(strategy)
    incoming = portable(existing, placed(existing, lmstrix_file.news(existing, incoming)), results)
    existing, incoming = _one_variant(existing, incoming, strategy)
    incoming = respelled(existing, incoming)
    ids = public_ids(existing.models, existing.servers)
    undecided: list[Dispute] = []

    def both(kind: str, ours: dict[Any, Fields], theirs: dict[Any, Fields]) -> dict[Any, Fields]:
        made = dict(ours)
        for identity, fields in theirs.items():
            if identity in ours:
                made[identity], open_parts = combined(kind, ours[identity], fields, strategy)
                if kind == "group" and incoming.unordered:
                    members = in_order(ours[identity].get("models"), made[identity].get("models"))
                    made[identity] = made[identity] | {"models": members}
                name = ids.get(identity, str(identity)) if kind == "model" else str(identity)
                undecided.extend(Dispute(kind, name, tuple(open), NO_WINNER) for open in open_parts.values())
            else:
                made[identity] = fields
        return made

    merged = replace(
        existing,
        models=both("model", existing.models, incoming.models),
        groups=both("group", existing.groups, incoming.groups),
        profiles=both("profile", existing.profiles, incoming.profiles),
        servers=both("server", existing.servers, incoming.servers),
        extra=existing.extra if strategy == SKIP else {**existing.extra, **incoming.extra},
        last_updated=later(existing.last_updated, incoming.last_updated),
        last_scan=existing.last_scan or incoming.last_scan,
    )
    content, warnings = closed(merged)
    return Merged(content, undecided, warnings=warnings)


NO_WINNER = "neither side is newer"


def _one_variant(existing: Content, incoming: Content, strategy: str) -> tuple[Content, Content]:
    """Both with one id for a model whose variant is another one here and there: the winner's, an unknown one never.

    Results that were measured with another variant do not come along.
    """
    ours, theirs, untested = {}, {}, set()
    for there, here in matched(existing.models, incoming.models).items():
        part = parts_of("model")[0]
        wins = strategy != SKIP and (
            strategy != PREFER_NEWER or newer(part, existing.models[here], incoming.models[there]) == "incoming"
        )
        if there.variant and (wins or (not here.variant and strategy != SKIP)):
            ours[here] = there
        else:
            theirs[there] = here
            untested |= {here} if here.variant and there.variant else set()
    incoming = renamed(incoming, theirs)
    if untested:
        models = {
            model: _without_results(fields) if model in untested else fields
            for model, fields in incoming.models.items()
        }
        incoming = replace(incoming, models=models)
    return renamed(existing, ours), incoming


def _without_results(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name not in RESULTS}


def closed(content: Content) -> tuple[Content, list[str]]:
    """`content` without members of groups that it does not hold, and a warning for each."""
    groups, warnings = {}, []
    for name, fields in content.groups.items():
        members = [ModelId(*member) for member in fields.get("models") or ()]
        unknown = [member for member in members if member not in content.models]
        if unknown:
            fields = fields | {"models": [member for member in members if member in content.models]}
            keys = ", ".join(sorted({member.key for member in unknown}))
            warnings.append(f"Group {name} is taken without {keys}, which the registry does not have.")
        groups[name] = fields
    return replace(content, groups=groups), warnings


def take_over(existing: Content, incoming: Content, tokens: Collection[str]) -> Content:
    """`existing` with the changes of `incoming` that `tokens` name: whole objects, or single fields of them.

    A token of a missing object removes it here; a server stays as long as it has models. Test results of another host
    come along only by the tokens of their own fields. Raises ValueError when a token names nothing (any more).
    """
    incoming = placed(existing, incoming)
    meant = portable(existing, incoming, None)
    found = diff(existing, incoming).changes
    known = {token for change in found for token in (change.token, *(each.token for each in change.fields))}
    if unknown := set(tokens) - known:
        number = "One of the changes" if len(unknown) == 1 else f"{len(unknown):,} of the changes"
        raise ValueError(f"{number} to take over is not there any more; compare the two sides again.")
    result = _copied(existing)
    for change in found:
        _take(change, result, meant, set(tokens))
    result = _one_spelling(existing, result)
    used = {model.server for model in result.models}
    kept = {url: fields for url, fields in existing.servers.items() if url in used}
    brought = {url: fields for url, fields in incoming.servers.items() if url in used and url not in result.servers}
    return closed(replace(result, servers=kept | brought | result.servers))[0]


def _one_spelling(existing: Content, result: Content) -> Content:
    """`result` with names as they are spelled in `existing`, as far as they are still there."""
    groups = {name: fields for name, fields in existing.groups.items() if name in result.groups}
    profiles = {name: fields for name, fields in existing.profiles.items() if name in result.profiles}
    return respelled(replace(existing, groups=groups, profiles=profiles), result)


def _copied(content: Content) -> Content:
    return replace(
        content,
        models=dict(content.models),
        groups=dict(content.groups),
        profiles=dict(content.profiles),
        servers=dict(content.servers),
    )


def _take(change: Change, result: Content, meant: Content, tokens: Collection[str]) -> None:
    """Changes `result` as far as `tokens` name this change."""
    objects: dict[Any, Fields] = getattr(result, f"{change.kind}s")
    there: dict[Any, Fields] = getattr(meant, f"{change.kind}s")
    whole = change.token in tokens
    if change.action == MISSING:
        if whole:
            del objects[change.identity]
    elif change.action == ADDED:
        if whole:
            objects[change.identity] = there[change.identity]
    else:
        told = there.get(change.other, {}).keys() | {"variant"} if whole else ()
        taken = {each.field: each.after for each in change.fields if each.field in told or each.token in tokens}
        if taken:
            _change_fields(change, result, objects, taken)


def _change_fields(change: Change, result: Content, objects: dict[Any, Fields], taken: Fields) -> None:
    fields = objects.pop(change.identity)
    identity = change.identity
    if "variant" in taken:
        del taken["variant"]
        result.groups.update(_renamed_groups(result, change))
        identity = change.other
    if "updated" in fields and "updated" in change.known:
        taken["updated"] = later(fields["updated"], change.known["updated"])
    objects[identity] = fields | taken


def _renamed_groups(content: Content, change: Change) -> dict[str, Fields]:
    assert isinstance(change.identity, ModelId) and isinstance(change.other, ModelId)  # noqa: S101, PT018
    return renamed(content, {change.identity: change.other}).groups
