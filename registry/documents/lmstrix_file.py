"""The file of the LMStrix command-line tool, both ways; what only that tool knows is kept and written back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from registry.documents.checking import Check, Flag, Moment, Text, Whole, Words, free
from registry.documents.columns import LONGEST_KEY, MODEL
from registry.documents.content import Content, Fault, Fields, ModelId, Unreadable, ids_of
from registry.documents.faults import Faults, Wrong, place_of, shown
from registry.documents.labels import custom_tags
from registry.naming import is_tag

ORIGIN = "lmstrix"  # under which an entry is kept as it came, in the `extra` of its model
STATUS = {"untested": "untested", "testing": "untested", "completed": "tested", "failed": "failed"}
STATUS_BACK = {"untested": "untested", "testing": "testing", "tested": "completed", "failed": "failed"}


class Pair(NamedTuple):
    """A field of theirs and ours, and how a value becomes the other's."""

    theirs: str
    ours: str
    check: Check
    read: Callable[[Any], Any] = lambda value: value
    write: Callable[[Any], Any] = lambda value: value


def _known(value: Any) -> Any:
    return value or None  # their 0 means unknown


def _status(value: Any) -> str:
    return STATUS.get(value, "untested")


def _status_back(value: Any) -> str:
    return STATUS_BACK.get(value, "untested")


class _Status(Text):
    def __call__(self, value: Any) -> str:
        if value is not None and value not in STATUS:
            raise Wrong(f"must be one of {', '.join(STATUS)}, got {shown(value)}")
        return value or "untested"


PAIRS = (
    Pair("size_bytes", "size_bytes", Whole(), _known),
    Pair("ctx_in", "declared_context", Whole(), _known),
    Pair("has_tools", "tool_use", Flag(default=None)),
    Pair("has_vision", "vision", Flag(default=None)),
    Pair("tested_max_context", "tested_context", Whole(), _known),
    Pair("context_test_status", "test_status", _Status(), _status, _status_back),
    Pair("context_test_date", "last_tested", Moment(), write=lambda told: told and told.removesuffix("Z")),
    Pair("ttft_seconds", "ttft_seconds", MODEL["ttft_seconds"]),
    Pair("tps", "tokens_per_second", MODEL["tokens_per_second"]),
    Pair("description", "description", Text()),
)
READ = frozenset({*(pair.ours for pair in PAIRS), "tags", "extra"})  # all that a file tells of a model
# what else an entry has; ours has nothing for it
BLANK: Mapping[str, Any] = {
    "ctx_out": None, "capabilities": [], "loadable_max_context": None, "last_known_good_context": None,
    "last_known_bad_context": None,
}  # fmt: skip


def from_lmstrix(document: Any, *, faults: Faults | None = None) -> Content:
    """The content of such a file: models on no server; Unreadable with every fault."""
    faults = Faults() if faults is None else faults
    if not isinstance(document, dict) or not isinstance(document.get("llms"), dict):
        raise Unreadable([Fault("llms", "must be an object with models by path or id")])
    beside = {name: value for name, value in document.items() if name != "llms"}
    content = Content(extra={ORIGIN: _kept(beside, "", faults)} if beside else {})
    told = {name: entry for name, entry in document["llms"].items() if _is_entry(name, entry, faults)}
    keys = _keys(told)
    for name, entry in told.items():
        place = place_of("llms", name)
        before = len(faults.found)
        fields = _fields(ModelId("", keys[name], ""), entry, place, faults)
        fields["extra"] = {ORIGIN: {"name": name, "entry": _kept(entry, place, faults)}}
        if not faults.lenient or len(faults.found) == before:
            content.models[ModelId("", keys[name], "")] = fields
    faults.settle()
    return content


def as_lmstrix(content: Content) -> Fields:
    """The file: entries that came from one as they came, but for what changed since; the others with what is known."""
    ids = ids_of(content)
    entries: Fields = {}
    for model in sorted(content.models, key=lambda model: (not _origin(content.models[model]), model)):
        fields = content.models[model]
        name = (_origin(fields) or {}).get("name", ids[model])
        while name in entries:  # another entry came under this name
            name += "~"
        entries[name] = _entry(model, fields)
    return {**content.extra.get(ORIGIN, {}), "llms": entries}


def news(existing: Content, incoming: Content) -> Content:
    """`incoming` without the entries of such a file that `existing` would write just so: they bring nothing."""
    came = {model: _origin(fields) for model, fields in incoming.models.items() if fields.keys() <= READ}
    if not any(came.values()):
        return incoming
    ours = as_lmstrix(existing)["llms"]
    known = {model for model, one in came.items() if one and _same_json(ours.get(one["name"]), one["entry"])}
    return replace(incoming, models={model: incoming.models[model] for model in incoming.models if model not in known})


def _same_json(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _origin(fields: Fields) -> Fields | None:
    """How a model's entry came; None when it came from elsewhere, or not whole."""
    kept = (fields.get("extra") or {}).get(ORIGIN)
    whole = isinstance(kept, dict) and isinstance(kept.get("name"), str) and isinstance(kept.get("entry"), dict)
    return kept if whole else None


def _is_entry(name: str, entry: Any, faults: Faults) -> bool:
    place = place_of("llms", name)
    if not isinstance(entry, dict):
        faults.add(place, f"must be an object, got {shown(entry)}")
    elif not 0 < len(name) <= LONGEST_KEY:
        faults.add(place, f"its name must have from 1 to {LONGEST_KEY} characters")
    else:
        return True
    return False


def _keys(told: Mapping[str, Fields]) -> dict[str, str]:
    """Which key each entry has here: its id, where that means only this entry, else its name in the file."""
    usable = {name: entry["id"] for name, entry in told.items() if _usable(entry.get("id"))}
    count: dict[str, int] = {}
    for name in told:
        for each in {name, usable.get(name, name)}:
            count[each] = count.get(each, 0) + 1
    return {name: usable[name] if name in usable and count[usable[name]] == 1 else name for name in told}


def _usable(id: Any) -> bool:
    return isinstance(id, str) and 0 < len(id) <= LONGEST_KEY and "\x00" not in id


def _fields(model: ModelId, entry: Fields, place: str, faults: Faults) -> Fields:
    fields: Fields = {}
    for pair in PAIRS:
        if pair.theirs in entry:
            try:
                fields[pair.ours] = pair.read(pair.check(entry[pair.theirs]))
            except Wrong as wrong:
                faults.add(f"{place}.{pair.theirs}", str(wrong))
    if "keywords" in entry:
        try:
            words = Words()(entry["keywords"] or [])
        except Wrong as wrong:
            faults.add(f"{place}.keywords", str(wrong))
        else:
            fields["tags"] = custom_tags(model, fields, [word for word in words if is_tag(word)])
    return fields


def _kept(value: Any, place: str, faults: Faults) -> Any:
    try:
        return free(value)
    except Wrong as wrong:
        faults.add(place, str(wrong))
        return {}


def _entry(model: ModelId, fields: Fields) -> Fields:
    origin = _origin(fields)
    came: Fields = origin["entry"] if origin else {"id": model.key, "path": model.key, **BLANK}
    entry = dict(came)
    read = _fields(model, came, "", Faults())
    for pair in PAIRS:
        value = fields.get(pair.ours)
        if not origin or _differ(pair.ours, value, read):
            entry[pair.theirs] = pair.write(value)
    tags = fields.get("tags") or []
    if not origin or tags != read.get("tags", []):
        gone = set(read.get("tags", [])) - set(tags)
        words = [word for word in came.get("keywords") or [] if word not in gone]
        entry["keywords"] = words + [tag for tag in tags if tag not in words]
    if not origin or _differ("test_status", fields.get("test_status"), read):
        entry["failed"] = fields.get("test_status") == "failed"
        entry["error_msg"] = (fields.get("test_verdict") or None) if entry["failed"] else None
    return entry


def _differ(field: str, value: Any, read: Fields) -> bool:
    return bool(MODEL[field](value) != MODEL[field](read.get(field)))
