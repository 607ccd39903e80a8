"""Who wins when two sides tell of the same object, one object at a time. Pure.

update        what comes in wins, field by field; unknown never replaces known; labels and members are added up;
              the results of a test are taken together
skip          what is here wins
replace       what comes in takes the place of the whole object
prefer_newer  the newer side wins part by part: results by `last_tested`, usage by `last_used`, the rest by `updated`;
              where neither is newer, what is here wins and the part is undecided
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from registry.diffing import DATES, EMPTY, differing
from registry.documents.content import RESULTS, USAGE, Fields

UPDATE, SKIP, REPLACE, PREFER_NEWER = "update", "skip", "replace", "prefer_newer"
STRATEGIES = (UPDATE, SKIP, REPLACE, PREFER_NEWER)
ALIASES = {"prefer_incoming": UPDATE, "prefer_new": UPDATE, "prefer_existing": SKIP}

# what an object has that a file replaces it with but does not tell of
BLANK: Fields = {
    "tags": [], "reasoning_options": [], "edited": [], "extra": {}, "opening_balance": {}, "test_status": "untested",
    "favourite": False, "pinned": False, "missing": False, "stale": False, "type_derived": False,
    "parameters_derived": False, "enabled": True, "models": [], "preferred_models": [], "needs": [], "servers": [],
}  # fmt: skip
KEPT = frozenset({"tests", "added", "created", "source", "name"})  # what stays all the same where a file is silent


class Part(NamedTuple):
    """Fields that are decided together, and when they changed last (None: not known)."""

    name: str  # facts, results, usage
    fields: tuple[str, ...] | None  # None: all that the other parts do not name
    changed: Callable[[Fields], Any]


NOT_FACTS = frozenset({*RESULTS, *USAGE})
FACTS_PART = Part("facts", None, lambda fields: fields.get("updated"))
MODEL_PARTS = (
    FACTS_PART,
    Part("results", RESULTS, lambda fields: fields.get("last_tested")),
    Part("usage", USAGE, lambda fields: (fields.get("opening_balance") or {}).get("last_used")),
)


def parts_of(kind: str) -> tuple[Part, ...]:
    """The parts of an object of this kind."""
    return MODEL_PARTS if kind == "model" else (FACTS_PART,)


def strategy_named(text: str) -> str:
    """The strategy of this name or alias; ValueError names those that there are."""
    name = ALIASES.get(text, text)
    if name not in STRATEGIES:
        raise ValueError(f"The strategy must be one of {', '.join(STRATEGIES)}, not {text}.")
    return name


def combined(kind: str, existing: Fields, incoming: Fields, strategy: str) -> tuple[Fields, dict[str, list[str]]]:
    """One object that both sides have, and what is undecided of it: part -> fields."""
    if strategy == SKIP or existing == incoming:
        return existing, {}
    if strategy == UPDATE:
        return _updated(kind, existing, incoming), {}
    if strategy == REPLACE:
        silent = existing.keys() - incoming.keys()
        blank = {name: existing[name] if name in KEPT else blank_of(name) for name in silent}
        return blank | incoming, {}
    return _newer(kind, existing, incoming)


def _updated(kind: str, existing: Fields, incoming: Fields) -> Fields:
    result = dict(existing)
    for part in parts_of(kind):
        told = fields_of(part, incoming)
        if part.name == "facts":
            result |= {name: value for name, value in told.items() if value not in EMPTY or name not in existing}
        elif says(told):
            result |= told
    result |= unions(existing, incoming)
    for name in DATES & incoming.keys() & existing.keys():
        result[name] = later(existing[name], incoming[name]) if name == "updated" else existing[name] or incoming[name]
    return result


def blank_of(field: str) -> Any:
    """What a field says when nothing is known of it."""
    value = BLANK.get(field)
    return value.copy() if isinstance(value, list | dict) else value


def _newer(kind: str, existing: Fields, incoming: Fields) -> tuple[Fields, dict[str, list[str]]]:
    result = {**incoming, **existing}  # what only one side tells is not disputed
    undecided = {}
    for part in parts_of(kind):
        ours, theirs = fields_of(part, existing), fields_of(part, incoming)
        names = [name for name, _, _ in differing(ours, theirs)]
        winner = newer(part, ours, theirs)
        if winner == "incoming":
            result |= {name: value for name, value in theirs.items() if name not in ("added", "created")}
        elif names and not winner:
            undecided[part.name] = names
    if "tests" in existing and "tests" in incoming:
        result["tests"] = all_tests(existing["tests"], incoming["tests"])
    return result, undecided


def fields_of(part: Part, fields: Fields) -> Fields:
    """The fields of an object that belong to `part`."""
    if part.fields is not None:
        return {name: fields[name] for name in part.fields if name in fields}
    return {name: value for name, value in fields.items() if name not in NOT_FACTS}


def newer(part: Part, existing: Fields, incoming: Fields) -> str:
    """Which side changed the part last: existing, incoming, or "" where that is not known or at the same time.

    A side that never tested or used a model is older than one that did.
    """
    if part.name != "facts":
        nothing = [not says(existing), not says(incoming)]
        if any(nothing):
            return "existing" if nothing[1] else "incoming"
    ours, theirs = moment(part.changed(existing)), moment(part.changed(incoming))
    if ours is None or theirs is None or ours == theirs:
        return ""
    return "incoming" if theirs > ours else "existing"


def says(fields: Fields) -> bool:
    """True when anything is known in these fields."""
    return any(value not in (*EMPTY, False) and value != blank_of(name) for name, value in fields.items())


def moment(text: Any) -> datetime | None:
    """A time that can be compared, None where it is not one."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


def later(one: Any, other: Any) -> Any:
    """The later of two times as they are written."""
    mine, theirs = moment(one), moment(other)
    if mine is None or theirs is None:
        return one if theirs is None else other
    return other if theirs > mine else one


def unions(existing: Fields, incoming: Fields) -> Fields:
    """The fields that are added up, never replaced: labels, members of a group, context tests."""
    both = existing.keys() & incoming.keys()
    result: Fields = {}
    if "tags" in both:
        result["tags"] = sorted({*(existing["tags"] or ()), *(incoming["tags"] or ())})
    if "models" in both:
        result["models"] = list(dict.fromkeys([*(incoming["models"] or ()), *(existing["models"] or ())]))
    if "extra" in both:
        result["extra"] = {**(existing["extra"] or {}), **(incoming["extra"] or {})}
    if "tests" in both:
        result["tests"] = all_tests(existing["tests"], incoming["tests"])
    return result


def all_tests(existing: Iterable[Fields] | None, incoming: Iterable[Fields] | None) -> list[Fields]:
    """The context tests of both, each once, oldest first; one that was made at the same moment is the same."""
    tests = {str(test.get("created") or json.dumps(test, sort_keys=True)): test for test in incoming or ()}
    tests |= {str(test.get("created") or json.dumps(test, sort_keys=True)): test for test in existing or ()}
    return [tests[key] for key in sorted(tests)]
