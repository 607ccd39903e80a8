"""Servers with the models of a registry that are loaded, and how much memory they take as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Prefetch

from registry.models import Instance, Registry, Server
from registry.models.language_model import CheckStatus, State
from registry.templatetags.figures import plain_size

FEW, SHOWN, ROWS = 4, 8, 8  # servers that are all shown; else servers on the overview, instances of each
TINTS = ("1", "2", "3")


@dataclass(frozen=True)
class Row:
    """One loaded copy, as the overview shows it."""

    instance: Instance
    tint: str
    state: str
    label: str
    bytes: int | None


@dataclass(frozen=True)
class Loaded:
    """A server and its loaded copies; memory is estimated from the size of the weights."""

    server: Server
    rows: list[Row]

    @property
    def first(self) -> list[Row]:
        return self.rows[:ROWS]

    @property
    def more(self) -> int:
        return max(len(self.rows) - ROWS, 0)

    @property
    def in_test(self) -> bool:
        return any(row.tint == "busy" for row in self.rows)

    @property
    def taken(self) -> int | None:
        """Bytes of the weights that are in memory; None where one of them is unknown."""
        sizes = [row.bytes for row in self.rows]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def segments(self) -> list[dict[str, Any]]:
        return [
            {
                "name": row.instance.model.name, "bytes": row.bytes, "text": plain_size(row.bytes),
                "klass": f"seg-{row.tint}",
            }
            for row in self.rows
            if row.bytes
        ]  # fmt: skip


@dataclass(frozen=True)
class Offered:
    """All enabled servers; those with something loaded first."""

    all: list[Loaded]
    disabled: int = 0
    silent: list[Server] = field(default_factory=list)
    answering: int = 0
    unknown: int = 0

    @property
    def first(self) -> list[Loaded]:
        """A few servers are all shown; of many only those with something loaded."""
        return self.all if len(self.all) <= FEW else [one for one in self.all if one.rows][:SHOWN]

    @property
    def others(self) -> list[Server]:
        """Servers that are only named."""
        shown = self.first
        return [one.server for one in self.all if one not in shown]

    @property
    def loaded(self) -> int:
        return sum(len(loaded.rows) for loaded in self.all)

    @property
    def in_test(self) -> int:
        return sum(row.tint == "busy" for loaded in self.all for row in loaded.rows)


def shown(registry: Registry) -> Offered:
    """Every enabled server with its instances, in two queries; each registry has its own row of a loaded copy."""
    copies = Instance.objects.filter(model__registry=registry).select_related("model")
    instances = Prefetch("instances", copies.order_by("-model__size_bytes", "pk"))
    everything = list(Server.objects.prefetch_related(instances))
    enabled = [server for server in everything if server.enabled]
    loaded = [_loaded(server) for server in enabled]
    loaded.sort(
        key=lambda one: (not one.in_test, not one.rows, one.server.reachable is not True, one.server.name.lower())
    )
    return Offered(
        loaded,
        disabled=len(everything) - len(enabled),
        silent=[server for server in enabled if server.reachable is False],
        answering=sum(server.reachable is True for server in enabled),
        unknown=sum(server.reachable is None for server in enabled),
    )


def _loaded(server: Server) -> Loaded:
    rows = [_row(instance, number) for number, instance in enumerate(server.instances.all())]
    return Loaded(server, rows)


def _row(instance: Instance, number: int) -> Row:
    model = instance.model
    if model.test_status == CheckStatus.TESTING:
        return Row(instance, "busy", "testing", "being tested", model.size_bytes)
    state = model.state if model.state != State.UNLOADED else State.LOADED
    return Row(instance, TINTS[number % len(TINTS)], str(state), str(State(state).label), model.size_bytes)
