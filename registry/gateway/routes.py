"""What the gateway knows of tokens, models, servers and instances: a table in memory, replaced as a whole (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

GROUP, PROFILE = "group:", "profile:"


def as_header(text: str) -> bytes:
    """A name as the value of a header: what is not plain in it is percent-encoded."""
    return quote(text, safe="/:@+ ,()").encode()


@dataclass(frozen=True, slots=True)
class ServerRoute:
    """A server that may be asked; `experiment` names the job that has it for itself, `seconds_left` of it, about."""

    pk: int
    name: str
    base_url: str
    token: str = field(default="", repr=False)
    fault: str = ""  # why nothing can be sent there
    reachable: bool = True
    refuses_usage: bool = False
    experiment: str = ""
    seconds_left: int = 0


@dataclass(frozen=True, slots=True)
class InstanceRoute:
    """A loaded copy; `key` is its name in what this process reports."""

    name: str
    key: str
    context: int | None = None
    draining: bool = False


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """A model of one registry on one server; `window` is the verified one, None where it is not known."""

    pk: int
    key: str
    server: ServerRoute
    window: int | None = None
    characters_per_token: float | None = None
    instances: tuple[InstanceRoute, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name means: models in the order in which they are taken, and what a profile says of the request.

    `strict`: the first one is loaded where need be. Otherwise one that is loaded goes before those that are not.
    `nothing` says why a group or profile has no models.
    """

    models: tuple[ModelRoute, ...]
    strict: bool = False
    temperature: float | None = None
    max_context: int | None = None
    nothing: str = ""


@dataclass(frozen=True, slots=True)
class TokenRoute:
    """A program's token; `spent` are its tokens of today as far as they are in the database."""

    pk: int
    name: str
    role: str
    operates: bool
    registry: int
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    spent: int = 0
    keep_days: int = 0  # 0: nothing is kept


def _empty() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Table:
    """All of it at one moment: `knows` is the database's clock before it was read, None while it never was."""

    knows: datetime | None = None
    tokens: Mapping[str, TokenRoute] = field(default_factory=_empty)  # by the digest of the secret
    names: Mapping[tuple[int, str], Meaning] = field(default_factory=_empty)  # by registry and name
    lists: Mapping[int, bytes] = field(default_factory=_empty)  # /v1/models of a registry
