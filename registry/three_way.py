"""Merges two sides that had the same content once: what changed on one side only is taken from there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from registry.diffing import DATES, EMPTY, differing
from registry.documents.content import Content, Fields, public_ids
from registry.merging import NO_WINNER, Dispute, Merged, closed
from registry.placing import placed
from registry.spelling import respelled
from registry.strategies import (
    PREFER_NEWER,
    SKIP,
    Part,
    all_tests,
    combined,
    fields_of,
    later,
    newer,
    parts_of,
    strategy_named,
)

MEMBERS = frozenset({"tags", "models"})  # lists that are merged entry by entry


def three_way(base: Content, ours: Content, theirs: Content, strategy: str) -> Merged:
    """What `ours` and `theirs`, both `base` before, come to.

    Changed on one side: taken. Changed on both: a conflict, decided by `strategy` (`update`, `replace`: theirs; `skip`:
    ours; `prefer_newer`). Deleted on one side: deleted, unless the other side changed it (a conflict, kept).
    """
    base, theirs = (respelled(ours, placed(ours, side)) for side in (base, theirs))
    ids = public_ids(theirs.models, theirs.servers) | public_ids(ours.models, ours.servers)
    merging = _Merging(strategy_named(strategy), ids)
    merged = replace(
        ours,
        models=merging.objects("model", base.models, ours.models, theirs.models),
        groups=merging.objects("group", base.groups, ours.groups, theirs.groups),
        profiles=merging.objects("profile", base.profiles, ours.profiles, theirs.profiles),
        servers=merging.objects("server", base.servers, ours.servers, theirs.servers),
        extra={**theirs.extra, **ours.extra},
        last_updated=later(ours.last_updated, theirs.last_updated),
        last_scan=later(ours.last_scan, theirs.last_scan),
    )
    used = {model.server for model in merged.models}
    needed = {url: fields for url, fields in {**theirs.servers, **ours.servers}.items() if url in used}
    content, warnings = closed(replace(merged, servers=needed | merged.servers))
    return Merged(content, merging.undecided, merging.conflicts, warnings)


@dataclass
class _Merging:
    strategy: str
    ids: Mapping[Any, str]
    undecided: list[Dispute] = field(default_factory=list)
    conflicts: list[Dispute] = field(default_factory=list)

    def objects(
        self, kind: str, base: dict[Any, Fields], ours: dict[Any, Fields], theirs: dict[Any, Fields]
    ) -> dict[Any, Fields]:
        """The objects of one kind."""
        made: dict[Any, Fields] = {}
        for identity in {**ours, **theirs}:
            result = self._one(kind, identity, base.get(identity), ours.get(identity), theirs.get(identity))
            if result is not None:
                made[identity] = result
        return made

    def _one(
        self, kind: str, identity: Any, base: Fields | None, ours: Fields | None, theirs: Fields | None
    ) -> Fields | None:
        if ours is None or theirs is None:
            left = theirs if ours is None else ours
            if base is None or left is None:
                return left
            if not changed(base, left):
                return None
            self._conflict(kind, identity, (), "deleted on one side, changed on the other; kept")
            return left
        if base is None:
            result, undecided = combined(kind, ours, theirs, self.strategy)
            for names in undecided.values():
                self._conflict(kind, identity, tuple(names), NO_WINNER, undecided=True)
            return result
        result = {**theirs, **ours}  # what only one side tells is not disputed
        for part in parts_of(kind):
            sides = [fields_of(part, side) for side in (base, ours, theirs)]
            result |= self._part(kind, identity, part, *sides)
        return result | _added_up(base, ours, theirs)

    def _part(self, kind: str, identity: Any, part: Part, base: Fields, ours: Fields, theirs: Fields) -> Fields:
        """The fields of `theirs` that are taken."""
        mine, others = changed(base, ours), changed(base, theirs)
        unequal = {name for name, _, _ in differing(ours, theirs, sparse=True)} - MEMBERS
        if part.name == "facts":
            disputed = mine & others & unequal
            taken = others - disputed
        else:  # results of one test belong together
            disputed = unequal if mine and others else set()
            taken = set() if mine else others
        if disputed:
            winner = self._winner(part, ours, theirs)
            undecided = winner == ""
            reason = NO_WINNER if undecided else "changed on both sides"
            self._conflict(kind, identity, tuple(sorted(disputed)), reason, undecided=undecided)
            taken |= disputed if winner == "incoming" else set()
        return {name: theirs[name] for name in taken if name in theirs}

    def _winner(self, part: Part, ours: Fields, theirs: Fields) -> str:
        if self.strategy == PREFER_NEWER:
            return newer(part, ours, theirs)
        return "existing" if self.strategy == SKIP else "incoming"

    def _conflict(
        self, kind: str, identity: Any, fields: tuple[str, ...], reason: str, *, undecided: bool = False
    ) -> None:
        dispute = Dispute(kind, self.ids.get(identity, str(identity)), fields, reason)
        self.conflicts.append(dispute)
        if undecided:
            self.undecided.append(dispute)


def changed(base: Fields, side: Fields) -> set[str]:
    """The fields that `side` tells otherwise than `base`; dates alone do not count."""
    return {
        name
        for name, value in side.items()
        if name not in DATES and value != (told := base.get(name)) and not (value in EMPTY and told in EMPTY)
    }


def _added_up(base: Fields, ours: Fields, theirs: Fields) -> Fields:
    """Lists merged entry by entry, dates, and the context tests of both."""
    result: Fields = {}
    for name in MEMBERS & ours.keys() & theirs.keys():
        result[name] = _entries(base.get(name) or [], ours[name] or [], theirs[name] or [])
    if "updated" in ours and "updated" in theirs:
        result["updated"] = later(ours["updated"], theirs["updated"])
    if "tests" in ours and "tests" in theirs:
        result["tests"] = all_tests(ours["tests"], theirs["tests"])
    return result


def _entries(base: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]) -> list[Any]:
    if ours == base or theirs == base:
        return list(theirs if ours == base else ours)
    kept = [each for each in ours if each in theirs or each not in base]
    return kept + [each for each in theirs if each not in ours and each not in base]
