"""What a registry holds, independent of any format or table: the form in which contents are compared and merged."""

from __future__ import annotations

from dataclasses import dataclass, field
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

Fields = dict[str, Any]  # JSON values; a key that is absent was not told, null is "unknown"


class ModelId(NamedTuple):
    """What makes a model the same one in two contents: where it is (base URL, "" = on no server), key and variant."""

    server: str
    key: str
    variant: str


@dataclass
class Content:
    """All that a registry holds. Times are ISO 8601 in UTC with Z, sizes bytes, durations seconds.

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


def public_ids(models: dict[ModelId, Fields], servers: dict[str, Fields]) -> dict[ModelId, str]:
    """The shortest of key, server/key, server/key@variant that means only this model; always distinct."""
    by_key: dict[str, int] = {}
    by_place: dict[tuple[str, str], int] = {}
    for server, key, _ in models:
        by_key[key] = by_key.get(key, 0) + 1
        by_place[server, key] = by_place.get((server, key), 0) + 1
    ids = {}
    for model in models:
        if by_key[model.key] == 1 or not model.server:
            ids[model] = model.key
        else:
            name = servers.get(model.server, {}).get("name") or model.server
            suffix = f"@{model.variant}" if by_place[model.server, model.key] > 1 else ""
            ids[model] = f"{name}/{model.key}{suffix}"
    return ids


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
