"""The memory of a server as pages show it: a bar by model, its rows, and what the policy would unload now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from registry import copies, evicting, memory_policies, memory_use
from registry.evicting import Eviction
from registry.memory_use import Memory, Taken
from registry.models import Instance, LanguageModel, MemoryPolicy, Registry, Server
from registry.models.instance import LoadedBy
from registry.models.language_model import CheckStatus, State
from registry.sizes import plain
from registry.templatetags.figures import duration

TINTS = ("1", "2", "3")


@dataclass(frozen=True)
class Row:
    """One loaded copy; `model` is the one of the chosen registry where that has it."""

    taken: Taken
    model: LanguageModel
    tint: str
    state: str
    label: str

    @property
    def instance(self) -> Instance:
        return self.taken.instance


@dataclass(frozen=True)
class Bar:
    """The memory of one server, with the policy in force there."""

    memory: Memory
    policy: MemoryPolicy
    evictions: list[Eviction]
    rows: list[Row]

    @property
    def server(self) -> Server:
        return self.memory.server

    @property
    def own(self) -> bool:
        """Whether the policy is the server's own, not the default."""
        return self.policy.server_id is not None

    @property
    def policy_told(self) -> str:
        return memory_policies.in_words(self.policy)

    @property
    def threshold(self) -> int | None:
        return self.policy.memory_threshold_percent

    @property
    def shown_threshold(self) -> int | None:
        """The threshold where the policy is switched on: elsewhere it says nothing of the server."""
        return self.threshold if self.policy.enabled else None

    @property
    def blind(self) -> bool:
        """Whether the policy has a threshold that cannot be held, since the memory is not known."""
        unknown = self.memory.total_bytes is None or self.memory.used_bytes is None
        return bool(self.threshold) and unknown and bool(self.rows)

    @cached_property
    def segments(self) -> list[dict[str, Any]]:
        shown = [(row.model.name, row.taken.bytes, row.tint) for row in self.rows if row.taken.bytes]
        if (other := (self.memory.used_bytes or 0) - sum(count for _, count, _ in shown)) > 0:
            shown.append(("other", other, "other"))  # other programs, and models that are not shown
        return [
            {"name": name, "bytes": count, "text": plain(count), "klass": f"seg-{tint}"} for name, count, tint in shown
        ]


def bar(
    server: Server, registry: Registry, *, uses: copies.Uses | None = None, rows: Iterable[Instance] | None = None,
    policy: MemoryPolicy | None = None, only_own: bool = False,
) -> Bar:  # fmt: skip
    """The bar of `server`; `uses`, `rows` and `policy` where they are read already.

    `only_own`: without rows for copies of models that `registry` does not have; they count as other.
    """
    uses, memory = uses or copies.uses(), memory_use.memory_of(server, rows)
    policy = policy or memory_policies.policy_of(server)
    biggest = sorted(memory.instances, key=lambda taken: -(taken.bytes or 0))
    if only_own:
        biggest = [taken for taken in biggest if _own(taken, registry)]
    shown = [_row(taken, registry, uses, number) for number, taken in enumerate(biggest)]
    return Bar(memory, policy, evicting.would(server, policy, memory, uses), shown)


def bars(registry: Registry) -> list[Bar]:
    """Those of all enabled servers the ones with something loaded first, then by name."""
    return sorted(of(Server.objects.enabled().order_by("name"), registry), key=lambda one: not one.rows)


def of(servers: QuerySet[Server], registry: Registry, *, only_own: bool = False) -> list[Bar]:
    """Those of `servers`, in as many queries for many as for one."""
    uses, default = copies.uses(), memory_policies.default_policy()
    return [
        bar(
            each, registry, uses=uses, rows=each.instances.all(), policy=getattr(each, "memory_policy", default),
            only_own=only_own,
        )
        for each in servers.select_related("memory_policy").prefetch_related("instances__model")
    ]  # fmt: skip


def _row(taken: Taken, registry: Registry, uses: copies.Uses, number: int) -> Row:
    model = (_own(taken, registry) or taken.instance).model
    state, label = _state(taken, model, uses)
    tint = "busy" if label == "being tested" else TINTS[number % len(TINTS)]
    return Row(taken, model, tint, state, label)


def _own(taken: Taken, registry: Registry) -> Instance | None:
    """The row that `registry` has of a copy."""
    return next((row for row in taken.copy.rows if row.model.registry_id == registry.pk), None)


def _state(taken: Taken, model: LanguageModel, uses: copies.Uses) -> tuple[str, str]:
    copy = taken.copy
    if model.test_status == CheckStatus.TESTING:
        return "testing", "being tested"
    if copy.draining:
        return "unloading", "unloading"
    if requests := uses.in_flight.get(copy.key):
        return "active", f"answering {requests:,}"
    if model.state in (State.LOADING, State.UNLOADING, State.ACTIVE, State.ERROR):
        return str(model.state), str(State(model.state).label)
    others = ", by others" if copy.loaded_by == LoadedBy.OTHERS else ""
    return "loaded", idle(copy.used(uses) or copy.loaded) + (", pinned" if copy.pinned else others)


def idle(since: datetime) -> str:
    """idle 18 min: since its last request through LMStrix, or since it was loaded."""
    seconds = (timezone.now() - since).total_seconds()
    return f"idle {duration(seconds - seconds % 60)}" if seconds >= 60 else "just used"
