"""What is different between two contents, object by object and field by field. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

from registry.documents.content import RESULTS, USAGE, Content, Fields, ModelId, public_ids
from registry.placing import foreign, matched, placed

ADDED, MISSING, CHANGED = "added", "missing", "changed"
ACTIONS = (CHANGED, ADDED, MISSING)  # in the order they are shown
KINDS = ("model", "group", "profile", "server")
LABELS = ("tags", "favourite", "pinned")
DATES = frozenset({"added", "updated", "created"})  # a date alone is no change
UNCOMPARED = DATES | {"enabled"}  # whether a server is in use is decided where it stands
EMPTY: tuple[Any, ...] = (None, "", [], {})
PART_OF = dict.fromkeys(RESULTS, "results") | dict.fromkeys(USAGE, "usage") | dict.fromkeys(LABELS, "labels")

Identity = ModelId | str  # a model's; the name of a group or profile; the base URL of a server
Difference = tuple[str, Any, Any]  # field, before, after


class FieldChange(NamedTuple):
    """One field of one object on both sides; None = unknown."""

    field: str
    before: Any
    after: Any
    part: str  # facts, results, usage, labels
    token: str  # names this field of this object, the same at every comparison


@dataclass(frozen=True)
class Change:
    """One object that is not the same on both sides."""

    kind: str  # one of KINDS
    identity: Identity  # in `before`, or of an added one in `after`
    id: str  # as people write it
    name: str
    action: str  # added: only after; missing: only before; changed
    known: Fields = field(repr=False)  # all that is told of it: after, for a missing one before
    differences: tuple[Difference, ...] = ()
    other: Identity = ""  # in `after`: not `identity` when its variant changed
    elsewhere: bool = False  # it is on another host there, so test results and whether it is missing mean that host

    @cached_property
    def token(self) -> str:
        """Names what happens to this object, the same at every comparison: added is not missing."""
        return token_of(self.kind, self.identity, f"={self.action}")

    @cached_property
    def fields(self) -> list[FieldChange]:
        """What changed of it; empty when it was added or is missing."""
        return [
            FieldChange(name, before, after, part_of(self.kind, name), token_of(self.kind, self.identity, name))
            for name, before, after in self.differences
        ]

    @property
    def parts(self) -> set[str]:
        """The parts in which it changed."""
        return {part_of(self.kind, name) for name, _, _ in self.differences}


@dataclass(frozen=True)
class Diff:
    """Everything that is different: models first, then groups, profiles, servers; changed, added, missing."""

    changes: list[Change]
    same: Mapping[str, int]  # kind -> objects that are the same on both sides
    ids: Mapping[ModelId, str] = field(default_factory=dict, repr=False)  # of the models of both, as people write them

    def __bool__(self) -> bool:
        return bool(self.changes)

    @cached_property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """(kind, action) -> objects."""
        return Counter((change.kind, change.action) for change in self.changes)

    def count(self, action: str = "", kind: str = "") -> int:
        """Objects with this action and of this kind; any where it is not told."""
        return sum(n for (of, done), n in self.counts.items() if action in ("", done) and kind in ("", of))

    def shown(self, field: str, value: Any) -> Any:
        """A value as people read it: models by their ids, tests by their number."""
        if field == "tests":
            return len(value or ())
        if field == "models":
            return [self.ids.get(member, member.key) for member in value or ()]
        return value

    def sentence(self, after: str, before: str = "the other") -> str:
        """What the side called `after` has more, lacks and has otherwise: "team-shelf has 2 models more, lacks 1"."""
        told = [_told(self, kind) for kind in KINDS if self.count(kind=kind)]
        return f"{after} {'; '.join(told)}" if told else f"{after} is the same as {before}"


def diff(before: Content, after: Content, *, sparse: bool = False) -> Diff:
    """How `after` differs from `before`.

    A field that one side does not tell is not compared, unless `sparse` asks for it (then it is unknown there).
    Raises Unreadable when a file that tells of no servers has a model that could be several of the other side.
    """
    before, after = placed(after, before), placed(before, after)
    elsewhere = foreign(before, after)
    changes: list[Change] = []
    same = {}
    ids = public_ids(after.models, after.servers) | public_ids(before.models, before.servers)
    for kind, ours, theirs, renamed in _sides(before, after):
        found = _of_kind(kind, ours, theirs, renamed, sparse)
        pairs = len(ours) - sum(action == MISSING for _, action, _, _ in found)
        same[kind] = pairs - sum(action == CHANGED for _, action, _, _ in found)
        names: Mapping[Any, str] = ids if kind == "model" else {}
        made = [_change(kind, each, names.get(each[0]) or str(each[0]), elsewhere) for each in found]
        changes += sorted(made, key=lambda change: (ACTIONS.index(change.action), change.id))
    return Diff(changes, same, ids)


Sides = tuple[str, Mapping[Any, Fields], Mapping[Any, Fields], Mapping[Any, Any]]
Found = tuple[Any, str, Fields, tuple[Difference, ...]]  # identity, action, known, differences


def _sides(before: Content, after: Content) -> list[Sides]:
    """Each kind: its objects before and after, and which of those after have another identity before."""
    silent = any(side.models and not side.servers for side in (before, after))  # a file that tells of no servers
    return [
        ("model", before.models, after.models, matched(before.models, after.models)),
        ("group", before.groups, after.groups, {}),
        ("profile", before.profiles, after.profiles, {}),
        ("server", {} if silent else before.servers, {} if silent else after.servers, {}),
    ]


def _of_kind(
    kind: str, ours: Mapping[Any, Fields], theirs: Mapping[Any, Fields], renamed: Mapping[Any, Any], sparse: bool
) -> list[Found]:
    found: list[Found] = []
    for identity, after in theirs.items():
        own = renamed.get(identity, identity)
        before = ours.get(own)
        if before is None:
            found.append((identity, ADDED, after, ()))
        elif before != after or own != identity:
            differences = differing(before, after, sparse=sparse)
            if own != identity:
                differences.insert(0, ("variant", own.variant or None, identity.variant or None))
            if differences:
                found.append((own, CHANGED, after, tuple(differences)))
    there = theirs.keys() | set(renamed.values())
    found += [(identity, MISSING, before, ()) for identity, before in ours.items() if identity not in there]
    return found


def differing(before: Fields, after: Fields, *, sparse: bool = False) -> list[Difference]:
    """The fields that differ, by name; nothing, "" and unknown are the same.

    Dates are left out, and whether a server is enabled.
    """
    if sparse:
        before, after = ({**dict.fromkeys(other), **one} for one, other in ((before, after), (after, before)))
    found = [
        (name, value, after[name])
        for name, value in before.items()
        if name in after and value != after[name] and name not in UNCOMPARED
    ]
    return sorted((each for each in found if each[1] not in EMPTY or each[2] not in EMPTY), key=itemgetter(0))


def part_of(kind: str, field: str) -> str:
    """The part that a field belongs to; what a group holds is a label."""
    return PART_OF.get(field, "facts") if kind == "model" else "labels" if kind == "group" else "facts"


def token_of(kind: str, identity: Identity, field: str = "") -> str:
    """A short name for an object or one field of it."""
    text = json.dumps([kind, identity, field])
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _change(kind: str, found: Found, id: str, elsewhere: frozenset[str]) -> Change:
    identity, action, known, differences = found
    name, other, server = identity, identity, ""
    if kind == "model":
        name, server = identity.key, identity.server
        if differences and differences[0][0] == "variant":
            other = identity._replace(variant=differences[0][2] or "")
    away = kind in ("model", "server") and (server or identity) in elsewhere
    return Change(kind, identity, id, str(known.get("name") or name), action, known, differences, other, away)


def _told(found: Diff, kind: str) -> str:
    """ "has 2 models more, lacks 1, and differs in 4"."""
    parts: list[str] = []
    for action, words in ((ADDED, "has {} more"), (MISSING, "lacks {}"), (CHANGED, "differs in {}")):
        if number := found.count(action, kind):
            noun = "" if parts else f" {kind}" if number == 1 else f" {kind}s"
            parts.append(words.format(f"{number:,}{noun}"))
    *first, last = parts
    comma = "," if len(first) > 1 else ""
    return f"{', '.join(first)}{comma} and {last}" if first else last
