"""Reads two native documents of our own to be compared: what is word for word the same in both is not read."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import orjson

from registry.documents.content import Content, Fields, ModelId
from registry.documents.native_reading import from_native

_ALIKE = bytes.maketrans(b"123456789", b"0" * 9)
_LONG = b"0" * 19  # a whole number of so many digits may be beyond 64 bits, which orjson rounds


def read_two(before: bytes, after: bytes) -> tuple[Content, Content]:
    """Both contents, good for a comparison only: a model that is the same in both has nothing but its name.

    For canonical documents that this LMStrix wrote itself, whose digests were checked: they are not validated, which
    would take most of the time (0.5 seconds for 10,000 models).
    """
    documents = _parsed(before), _parsed(after)
    first, second = (document["models"] for document in documents)
    same = frozenset(id for id, entry in first.items() if second.get(id) == entry)
    return _thin(documents[0], same), _thin(documents[1], same)


def _parsed(data: bytes) -> Any:
    return json.loads(data) if _LONG in data.translate(_ALIKE) else orjson.loads(data)


def _thin(document: dict[str, Any], same: Collection[str]) -> Content:
    told: dict[str, Fields] = document["models"]
    ids = {id: ModelId(entry["server_url"] or "", entry["key"], entry["variant"] or "") for id, entry in told.items()}
    other = {id: entry for id, entry in told.items() if id not in same}
    members = {name: group["models"] for name, group in document["groups"].items()}
    groups = {name: {**group, "models": []} for name, group in document["groups"].items()}
    content = from_native({**document, "models": other, "groups": groups})
    content.models |= {ids[id]: {"name": entry["name"]} for id, entry in told.items() if id in same}
    for name, group in content.groups.items():
        group["models"] = [ids[member] for member in members[name]]
    return content
