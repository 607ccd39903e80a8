"""Where a model of a file is: its server by base URL, or by a name that the file or the registry knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.documents.checking import checked_text
from registry.documents.columns import LONGEST_KEY, LONGEST_URL
from registry.documents.content import Fields, ModelId
from registry.documents.faults import Wrong, shown
from registry.lmstudio.address import normalize_base_url


class Places:
    """The servers that a file can name. What the file itself tells goes before what the registry knows."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._by_name = dict(known)
        self._normal: dict[str, str] = {}

    def add(self, name: str, url: str) -> None:
        self._by_name[name] = url

    def url(self, told: Any) -> str:
        """A base URL as we write it."""
        if (known := self._normal.get(told) if isinstance(told, str) else None) is not None:
            return known
        try:
            url = normalize_base_url(checked_text(told, LONGEST_URL))
        except Wrong:
            raise
        except ValueError as error:
            raise Wrong(f"must be the address of a server, got {shown(told)}: {error}") from None
        self._normal[told] = checked_text(url, LONGEST_URL)
        return url

    def of(self, entry: Fields) -> str:
        """The base URL of the server that `server_url` or `server` tells; "" for none."""
        if entry.get("server_url") not in (None, ""):
            return self.url(entry["server_url"])
        name = entry.get("server")
        if name in (None, ""):
            return ""
        name = checked_text(name, LONGEST_URL)
        if name in self._by_name:
            return self._by_name[name]
        if "://" in name:
            return self.url(name)
        raise Wrong(f"no server is called {shown(name)}; tell its address in the field server_url")


def identity(entry: Fields, id: str, server: str) -> ModelId:
    """The model that an entry is; without a `key` its id is the key."""
    key = entry.get("key")
    key = checked_text(id if key is None else key, LONGEST_KEY)
    if not key:
        raise Wrong("must have a key")
    variant = entry.get("variant")
    return ModelId(server, key, "" if variant is None else checked_text(variant, LONGEST_KEY))
