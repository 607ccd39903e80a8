"""What changed, in words: the fields of an object and their values as people read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.diffing import EMPTY, MISSING, Change
from registry.documents.content import Content, ModelId
from registry.templatetags.figures import duration, number, plain_size

LONG = 160  # characters of a value that are shown at once
NAMES = {
    "arch": "architecture",
    "architecture": "architecture",
    "bits_per_weight": "bits a weight",
    "opening_balance": "usage before",
    "parameter_count": "parameters, counted",
    "peak_memory_bytes": "peak memory",
    "size_bytes": "size",
    "memory_limit_bytes": "memory for models",
    "poll_seconds": "seconds between looks",
    "max_memory_bytes": "at most of memory",
    "min_tested_context": "at least verified",
    "min_tokens_per_second": "at least tokens a second",
    "tests": "context tests",
    "test_status": "test",
    "test_verdict": "verdict",
    "tokens_per_second": "tokens a second",
    "tool_use": "tools",
    "ttft_seconds": "time to first token",
    "extra": "other fields",
    "missing_models": "models that their server has no more",
    "stale_tests": "results that are stale",
    "testing_models": "models in test",
    "total_size_bytes": "size of all",
    "total_models": "models",
    "tested_models": "models with a verified context",
    "untested_models": "models not tested yet",
    "failed_tests": "models whose test failed",
    "avg_context_limit": "verified context on average, tokens",
    "total_inference_count": "requests counted",
}
MOMENTS = frozenset({"added", "updated", "created", "last_tested", "last_scan"})


@dataclass(frozen=True)
class Shown:
    """A value for people: `text` may be cut, `whole` is all of it when it is (else empty)."""

    text: str
    whole: str = ""
    none: bool = False


NOT_SET = Shown("not set", none=True)
NONE = Shown("none", none=True)


def field_name(field: str) -> str:
    """declared_context -> declared context."""
    return NAMES.get(field, field.replace("_", " "))


def shown(field: str, value: Any) -> Shown:
    """A value of a field as JSON has it -> as people read it; unknown is "not set", an empty list "none"."""
    if value in EMPTY:
        return NONE if value == [] else NOT_SET
    text = _text(field, value)
    return Shown(f"{text[: LONG - 1]}…", text) if len(text) > LONG else Shown(text)


def _text(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return next((say for end, say in AMOUNTS.items() if field.endswith(end)), number)(value)
    if isinstance(value, str):
        return _moment(value) if field in MOMENTS else value
    if field == "tests" and isinstance(value, list):
        return f"{len(value):,} test{'' if len(value) == 1 else 's'}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, dict) and value and all(type(count) is int for count in value.values()):
        return ", ".join(f"{name or 'unknown'} {count:,}" for name, count in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_member(each) for each in value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


AMOUNTS: Mapping[str, Callable[[Any], str]] = {
    "_bytes": plain_size,
    "_seconds": duration,
    "_duration": duration,
    "temperature": str,
    "bits_per_weight": str,
}


def _member(value: Any) -> str:
    """One of a list: a model by its key, anything else as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and len(value) == len(ModelId._fields):
        return str(value[1])
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return text


def told(facts: Mapping[str, Any]) -> list[tuple[str, Shown]]:
    """Facts as rows: name and value in words."""
    return [(field_name(name), shown(name, value)) for name, value in facts.items()]


def place(change: Change, *contents: Content) -> str:
    """Where an object is: the server of a model, else what kind of thing it is."""
    if not isinstance(change.identity, ModelId):
        return change.kind
    address = change.identity.server
    told = (content.servers[address].get("name") for content in contents if address in content.servers)
    return str(next((name for name in told if name), address)) if address else "added by hand"


def about(change: Change, *, planned: bool) -> str:
    """What an added object is, or what is lost with a missing one: by taking it over, or as `planned`."""
    known = change.known
    if change.action == MISSING:
        tests = len(known.get("tests") or ())
        lost = f" with {tests:,} context test{'' if tests == 1 else 's'}" if tests else ""
        return f"is forgotten{lost}" if planned else f"taking it over forgets this {change.kind}{lost}"
    if change.kind == "group":
        members = len(known.get("models") or ())
        return f"{members:,} model{'' if members == 1 else 's'}"
    if change.kind != "model":
        return str(known.get("description") or "")[:LONG]
    declared = known.get("declared_context")
    size = known.get("size_bytes")
    facts = [known.get("quantization"), size and plain_size(size), declared and f"declares {declared:,}"]
    return ", ".join(str(fact) for fact in facts if fact)
