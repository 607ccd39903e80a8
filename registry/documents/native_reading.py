"""Reads the native file, strictly: every fault is named with its place, and what is not told stays untold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from registry.documents.checking import Check, Free, Moment, Text, Words, fields_of
from registry.documents.columns import GROUP, LONGEST_NAME, MOST_MODELS, PROFILE, SERVER
from registry.documents.content import VERSION, Content, Fault, Fields, ModelId, Unreadable
from registry.documents.faults import Faults, Wrong, place_of, shown
from registry.documents.model_reading import read_model
from registry.documents.places import Places, identity

TOP = ("version", "models", "servers", "groups", "profiles", "statistics", "tags")
HEAD: Mapping[str, Check] = {"registry": Text(1000), "host": Text(300), "last_updated": Moment(), "extra": Free(dict)}
SCANNED: Mapping[str, Check] = {"last_scan": Moment()}
STATISTICS = (
    "total_models", "tested_models", "untested_models", "failed_tests", "avg_context_limit", "total_inference_count",
)  # fmt: skip
NO_SERVERS: Mapping[str, str] = MappingProxyType({})
_NAME = Text(LONGEST_NAME, needed=True)
_IDS = Words(ordered=True)


def from_native(document: Any, *, servers: Mapping[str, str] = NO_SERVERS, faults: Faults | None = None) -> Content:
    """The content of a native document; Unreadable with every fault when anything of it cannot be taken.

    `servers`: base URLs by name, for models whose server the document names without telling its address.
    `faults` collects the warnings too, for who wants to show them.
    """
    faults = Faults() if faults is None else faults
    _check_kind(document)
    content = Content(**fields_of(document, HEAD, "", faults, ignored=TOP))
    statistics = _object(document, "statistics", faults)
    content.last_scan = fields_of(statistics, SCANNED, "statistics", faults, ignored=STATISTICS).get("last_scan")
    places = Places(servers)
    _read_servers(content, document, places, faults)
    ids = _read_models(content, document["models"], places, faults)
    for name, place, group in _named(document, "groups", faults):
        content.groups[name] = fields_of(group, GROUP, place, faults, ignored=("models",))
        if "models" in group:
            content.groups[name]["models"] = _members(group["models"], ids, f"{place}.models", faults)
    for name, place, profile in _named(document, "profiles", faults):
        content.profiles[name] = fields_of(profile, PROFILE, place, faults)
    faults.settle()
    return content


def _check_kind(document: Any) -> None:
    if not isinstance(document, dict):
        raise Unreadable([Fault("", f"this is not a registry: it is {shown(document)}, not an object with models")])
    version = document.get("version")
    numbers = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,9}))?", str(VERSION if version is None else version))
    if not numbers:
        raise Unreadable([Fault("version", f'must be "{VERSION}", got {shown(version)}')])
    if (int(numbers[1]), int(numbers[2] or 0)) > tuple(int(part) for part in VERSION.split(".")):
        text = f"this file has format {numbers[0]} and comes from a newer LMStrix; this one reads {VERSION}"
        raise Unreadable([Fault("version", f"{text}. Update LMStrix here, or export the file again there.")])
    if "models" not in document:
        raise Unreadable([Fault("", "this is not a registry: it has no models")])
    if not isinstance(document["models"], dict):
        raise Unreadable([Fault("models", f"must be an object with models by id, got {shown(document['models'])}")])
    if len(document["models"]) > MOST_MODELS:
        raise Unreadable([Fault("models", f"holds more than {MOST_MODELS:,} models")])


def _read_servers(content: Content, document: Fields, places: Places, faults: Faults) -> None:
    names: set[str] = set()
    for told, place, server in _named(document, "servers", faults, check=Text()):
        try:
            url = places.url(told)
        except Wrong as wrong:
            faults.add(place, str(wrong))
            continue
        fields = fields_of(server, SERVER, place, faults)
        name = fields.get("name")
        if name in names:
            faults.add(f"{place}.name", "is the name of another server of this file too")
        if url in content.servers:
            faults.add(place, "is the same address as another server of this file")
        if name is not None:
            names.add(name)
            places.add(name, url)
        content.servers[url] = fields


def _read_models(content: Content, told: Fields, places: Places, faults: Faults) -> dict[str, ModelId | None]:
    """Fills in the models and returns which id means which; None stands for one that has no identity."""
    ids: dict[str, ModelId | None] = {}
    first: dict[ModelId, str] = {}
    for id, entry in told.items():
        place = place_of("models", id)
        ids[id] = None
        if not isinstance(entry, dict):
            faults.add(place, f"must be an object, got {shown(entry)}")
            continue
        try:
            model = identity(entry, id, places.of(entry))
        except Wrong as wrong:
            faults.add(place, str(wrong))
            continue
        if model in first:
            faults.add(place, f"is the same model as {place_of('models', first[model])}")
            continue
        before = len(faults.found)
        fields = read_model(model, entry, place, faults)
        if not faults.lenient or len(faults.found) == before:
            first[model] = id
            ids[id] = model
            content.models[model] = fields
    return ids


def _members(told: Any, ids: Mapping[str, ModelId | None], place: str, faults: Faults) -> list[ModelId]:
    try:
        names = _IDS(told)
    except Wrong as wrong:
        faults.add(place, str(wrong))
        return []
    for name in names:
        if name not in ids:
            faults.add(place, f"{shown(name)} is not a model of this file")
    return [model for name in names if (model := ids.get(name)) is not None]


def _object(document: Fields, name: str, faults: Faults) -> Fields:
    found = document.get(name)
    if found is not None and not isinstance(found, dict):
        faults.add(name, f"must be an object, got {shown(found)}")
        return {}
    return found or {}


def _named(document: Fields, kind: str, faults: Faults, *, check: Text = _NAME) -> Iterator[tuple[str, str, Fields]]:
    """Each object of one kind: its name, its place and what is told of it."""
    for name, told in _object(document, kind, faults).items():
        place = place_of(kind, name)
        try:
            check(name)
        except Wrong as wrong:
            faults.add(place, f"its name {wrong}")
        if isinstance(told, dict):
            yield name, place, told
        else:
            faults.add(place, f"must be an object, got {shown(told)}")
