"""What a registry holds, independent of any format or table: the form in which contents are compared and merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

VERSION = "1.0"

# the fields of a model by the part they belong to; `prefer_newer` decides part by part
FACTS = (
    "name", "publisher", "description", "type", "type_derived", "architecture", "parameters", "parameters_derived",
    "parameter_count", "quantization", "bits_per_weight", "size_bytes", "declared_context", "format", "vision",
    "tool_use", "reasoning_options", "missing", "source", "added", "updated", "edited", "notes", "favourite", "pinned",
    "tags", "extra",
)  # fmt: skip
RESULTS = (
    "tested_context", "usable_context", "test_status", "test_verdict", "last_tested", "test_iterations",
    "test_duration", "stale", "stale_reason", "tokens_per_second", "ttft_seconds", "load_seconds",
    "peak_memory_bytes", "tests",
)  # fmt: skip
USAGE = ("opening_balance",)
PARTS = {"facts": FACTS, "results": RESULTS, "usage": USAGE}

# JSON values. A key that is absent was not told; unknown is null, of a text "", of a list or an object the empty one.
Fields = dict[str, Any]


class ModelId(NamedTuple):
    """What makes a model the same one in two contents: where it is (base URL, "" = on no server), key and variant."""

    server: str
    key: str
    variant: str


@dataclass
class Content:
    """All that a registry holds. Times are as `iso` writes them, sizes bytes, durations seconds.

    servers   by base URL: name, enabled, memory_limit_bytes
    models    by ModelId: the fields of PARTS; `tags` are the custom ones only (the others follow from facts), sorted;
              `tests` (only where asked for) is a list of context tests, oldest first, each with its `probes`
    groups    by name: description, models (list of ModelId, in order), created, updated
    profiles  by name: description, preferred_models (ids as people write them), max_context, temperature, needs,
              min_tested_context, min_tokens_per_second, max_memory_bytes, tags, servers (names), created, updated
    """

    servers: dict[str, Fields] = field(default_factory=dict)
    models: dict[ModelId, Fields] = field(default_factory=dict)
    groups: dict[str, Fields] = field(default_factory=dict)
    profiles: dict[str, Fields] = field(default_factory=dict)
    registry: str = ""  # its name
    host: str = ""  # the installation that wrote it, "" = not told; loopback addresses mean something only there
    last_updated: str | None = None
    last_scan: str | None = None
    extra: Fields = field(default_factory=dict)  # fields of a foreign file beside its models
    unordered: bool = False  # the members of its groups stand in no order
    ids: dict[ModelId, str] = field(default_factory=dict)  # of a part: the ids that its models have in the whole


def iso(moment: datetime | None) -> str | None:
    """A time as all documents write it: ISO 8601 in UTC with Z; one without a zone is UTC."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:  # those of the tables are in UTC, a hundred thousand of them: nothing to convert
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat()[:-6] + "Z"  # without +00:00


def ids_of(content: Content) -> dict[ModelId, str]:
    """The id of each model of a content: in the whole that it is a part of, or in itself."""
    return content.ids or public_ids(content.models, content.servers)


def public_ids(models: Mapping[ModelId, Fields], servers: Mapping[str, Fields]) -> dict[ModelId, str]:
    """The shortest of key, server/key, server/key@variant that means only this model; always distinct."""
    keys = Counter(model.key for model in models)
    places = Counter((model.server, model.key) for model in models)
    ids = {}
    for model in models:
        if keys[model.key] == 1 or not model.server:
            ids[model] = model.key
        else:
            suffix = f"@{model.variant}" if places[model.server, model.key] > 1 else ""
            ids[model] = f"{_name(model, servers)}/{model.key}{suffix}"
    if len(set(ids.values())) < len(ids):
        _part(ids, servers)
    return ids


def _name(model: ModelId, servers: Mapping[str, Fields]) -> str:
    return str(servers.get(model.server, {}).get("name") or model.server)


def _part(ids: dict[ModelId, str], servers: Mapping[str, Fields]) -> None:
    """Gives all but one of the models whose ids fell together (slashes in keys and names) a longer one."""
    taken = Counter(ids.values())
    # an exact key is looked up first, so the model with that key keeps its id
    clashing = sorted((name != model.key, model, name) for model, name in ids.items() if taken[name] > 1)
    kept = set()
    for _, model, name in clashing:
        if name in kept:
            ids[model] = next(longer for longer in _longer(model, servers) if longer not in taken)
            taken[ids[model]] = 1
        kept.add(name)


def _longer(model: ModelId, servers: Mapping[str, Fields]) -> Iterator[str]:
    tail = f"{model.key}@{model.variant}"
    yield from (f"{_name(model, servers)}/{tail}", f"{model.server}/{tail}") if model.server else (tail,)
    yield from (f"{tail}~{number}" for number in count(2))


@dataclass(frozen=True)
class Fault:
    """Something wrong at one place of a file: `models["x"].size_mb` and `must be a number, got "big"`."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class Unreadable(ValueError):
    """A file that cannot be taken as it is; every fault is named, and nothing of it was used."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        more = f" (and {len(faults) - 10:,} more)" if len(faults) > 10 else ""
        super().__init__("; ".join(str(fault) for fault in faults[:10]) + more)
