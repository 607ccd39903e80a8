"""Servers with the models of a registry that are loaded, and how much memory they take as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.memory_use import Memory
from registry.models import Registry, Server
from registry.views import memory_bars
from registry.views.memory_bars import Bar, Row

FEW, SHOWN, ROWS = 4, 8, 8  # servers that are all shown; else servers on the overview, instances of each


@dataclass(frozen=True)
class Loaded:
    """A server with its memory, and the rows of its copies that the chosen registry has."""

    bar: Bar

    @property
    def server(self) -> Server:
        return self.bar.server

    @property
    def memory(self) -> Memory:
        return self.bar.memory

    @property
    def rows(self) -> list[Row]:
        return self.bar.rows

    @property
    def first(self) -> list[Row]:
        return self.rows[:ROWS]

    @property
    def more(self) -> int:
        return max(len(self.rows) - ROWS, 0)

    @property
    def in_test(self) -> bool:
        return any(row.tint == "busy" for row in self.rows)


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
    """Every enabled server with its copies that `registry` has, in as many queries for many as for one."""
    loaded = [Loaded(bar) for bar in memory_bars.of(Server.objects.enabled(), registry, only_own=True)]
    loaded.sort(
        key=lambda one: (not one.in_test, not one.rows, one.server.reachable is not True, one.server.name.lower())
    )
    return Offered(
        loaded,
        disabled=Server.objects.filter(enabled=False).count(),
        silent=[one.server for one in loaded if one.server.reachable is False],
        answering=sum(one.server.reachable is True for one in loaded),
        unknown=sum(one.server.reachable is None for one in loaded),
    )
