"""Reads one model of a native file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.documents.checking import Check, Real, Words, fields_of, free
from registry.documents.columns import BALANCE, LONGEST_NAME, MIB, MODEL, PROBE, TEST
from registry.documents.content import Fields, ModelId
from registry.documents.faults import Faults, Wrong, shown
from registry.documents.labels import custom_tags
from registry.facts import count_of

RENAMED = {"context_window": "declared_context", "added_date": "added"}
# also flat, as people write a model by hand
ALL_TAGS = Words(LONGEST_NAME)  # those that follow from facts, too
ENTRY: Mapping[str, Check] = {**MODEL, **{theirs: MODEL[ours] for theirs, ours in RENAMED.items()}, "tags": ALL_TAGS}
DERIVED = (
    "id", "key", "server", "server_url", "variant", "display_name", "size_mb", "performance_metrics", "metadata",
    "usage_stats", "tests", "state", "groups",
)  # fmt: skip
METRICS_RENAMED = {
    "avg_tokens_per_second": "tokens_per_second",
    "load_time_seconds": "load_seconds",
    "time_to_first_token_seconds": "ttft_seconds",
    "peak_memory_bytes": "peak_memory_bytes",
}
METRICS: Mapping[str, Check] = {theirs: MODEL[ours] for theirs, ours in METRICS_RENAMED.items()}
METADATA_RENAMED = {"added_date": "added", "custom_tags": "custom_tags"}
METADATA: Mapping[str, Check] = {
    "added_date": MODEL["added"],
    "source": MODEL["source"],
    "description": MODEL["description"],
    "tags": ALL_TAGS,
    "custom_tags": MODEL["tags"],
}
_MEGABYTES = Real()


def read_model(model: ModelId, entry: Fields, place: str, faults: Faults) -> Fields:
    """The fields that the entry tells of this model."""
    fields = fields_of(entry, ENTRY, place, faults, named=RENAMED, ignored=DERIVED)
    if "name" not in entry and entry.get("display_name"):
        fields |= fields_of({"name": entry["display_name"]}, ENTRY, place, faults)
    _read_size(fields, entry, "size_bytes", "size_mb", place, faults)
    metrics = _part(entry, "performance_metrics", place, faults)
    inner = f"{place}.performance_metrics"
    fields |= fields_of(metrics, METRICS, inner, faults, named=METRICS_RENAMED, ignored=("peak_memory_mb",))
    _read_size(fields, metrics, "peak_memory_bytes", "peak_memory_mb", inner, faults)
    metadata = _part(entry, "metadata", place, faults)
    fields |= fields_of(metadata, METADATA, f"{place}.metadata", faults, named=METADATA_RENAMED)
    if fields.get("parameters") and "parameter_count" not in entry:
        fields["parameter_count"] = count_of(fields["parameters"])
    _read_tags(model, fields, f"{place}.metadata.tags" if "tags" in metadata else f"{place}.tags", faults)
    if "usage_stats" in entry:
        stats = _part(entry, "usage_stats", place, faults)
        balance = fields_of(stats, BALANCE, f"{place}.usage_stats", faults)
        fields["opening_balance"] = {name: free(value) for name, value in balance.items() if value not in (None, "")}
    if "tests" in entry:
        fields["tests"] = _tests(entry["tests"], f"{place}.tests", faults)
    return fields


def _part(entry: Fields, name: str, place: str, faults: Faults) -> Fields:
    part = entry.get(name)
    if part is None or isinstance(part, dict):
        return part or {}
    faults.add(f"{place}.{name}", f"must be an object, got {shown(part)}")
    return {}


def _read_size(fields: Fields, told: Fields, name: str, megabytes: str, place: str, faults: Faults) -> None:
    """A size in MiB, where the one in bytes is not told."""
    if name in told or megabytes not in told:
        return
    try:
        size = _MEGABYTES(told[megabytes])
        fields[name] = MODEL[name](None if size is None else round(size * MIB))
    except Wrong as wrong:
        faults.add(f"{place}.{megabytes}", str(wrong))


def _read_tags(model: ModelId, fields: Fields, place: str, faults: Faults) -> None:
    """Custom tags as told; a file that only lists tags means those that no rule derives."""
    custom = fields.pop("custom_tags", None)
    if custom is not None:
        fields["tags"] = custom
    elif "tags" in fields:
        try:
            fields["tags"] = MODEL["tags"](custom_tags(model, fields, fields["tags"]))
        except Wrong as wrong:
            faults.add(place, str(wrong))


def _tests(told: Any, place: str, faults: Faults) -> list[Fields]:
    """The context tests of a model with their probes."""
    tests = []
    for there, test in _objects(told, place, faults):
        fields = fields_of(test, TEST, there, faults, ignored=("probes",))
        if "created" not in fields:
            faults.add(f"{there}.created", "must be told")
        probes = []
        for spot, probe in _objects(test.get("probes"), f"{there}.probes", faults):
            probes.append(fields_of(probe, PROBE, spot, faults))
            _check_probe(probes, spot, faults)
        tests.append({**fields, "probes": probes})
    return tests


def _check_probe(probes: list[Fields], place: str, faults: Faults) -> None:
    *before, probe = probes
    for name in ("order", "requested"):
        if name not in probe:
            faults.add(f"{place}.{name}", "must be told as a whole number")
    if any(probe.get("order") == other.get("order") for other in before):
        faults.add(f"{place}.order", "is the same as that of another probe of this test")


def _objects(told: Any, place: str, faults: Faults) -> list[tuple[str, Fields]]:
    """The objects of a list, each with its place."""
    if told is None:
        return []
    if not isinstance(told, list):
        faults.add(place, f"must be a list, got {shown(told)}")
        return []
    found = []
    for number, each in enumerate(told):
        if isinstance(each, dict):
            found.append((f"{place}[{number}]", each))
        else:
            faults.add(f"{place}[{number}]", f"must be an object, got {shown(each)}")
    return found
