"""Which loaded copies a memory policy takes out of memory, and why; pure, by the clock that is handed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from registry.sizes import plain

OURS = frozenset({"us", "gateway"})  # loaded through LMStrix: their use can be seen
EXPERIMENT = "experiment"  # puts its copies away itself
FRESH = timedelta(minutes=1)  # a copy loaded or used within it stays: its next request may be on the way


class Rules(Protocol):
    """What a policy says (registry.models.MemoryPolicy); whether it is switched on is not asked here."""

    auto_unload_inactive: bool
    inactive_timeout_minutes: int
    memory_threshold_percent: int | None
    max_loaded_models: int | None
    include_others: bool


@dataclass(frozen=True)
class Copy:
    """A loaded copy of a model, as far as a policy looks at it; `bytes` None: unknown."""

    instance_id: str
    loaded: datetime
    used: datetime | None = None
    loaded_by: str = "us"
    pinned: bool = False
    in_flight: int = 0
    draining: bool = False
    bytes: int | None = None

    @property
    def idle_since(self) -> datetime:
        return max(self.loaded, self.used) if self.used else self.loaded


@dataclass(frozen=True)
class Room:
    """The memory of a server in bytes; None: unknown."""

    total: int | None = None
    used: int | None = None


@dataclass(frozen=True)
class Eviction:
    """A copy to take out of memory, with the reason in words."""

    instance: Copy
    reason: str


def plan(policy: Rules, now: datetime, instances: Sequence[Copy], memory: Room) -> list[Eviction]:
    """What the policy unloads now, least recently used first.

    Never a pinned copy, one with a request in flight, one of an experiment, one that was loaded or used within the
    last minute, and without `include_others` one that others loaded. First those idle for too long, then by number,
    then by memory; each counts what went before it as gone.
    """
    here = [copy for copy in instances if not copy.draining]
    waiting = sorted(_evictable(policy, now, here), key=lambda copy: (copy.idle_since, copy.instance_id))
    evictions = list(_idle(policy, now, waiting))
    evictions += _too_many(policy, len(here), waiting, evictions)
    evictions += _too_full(policy, memory, instances, waiting, evictions)
    return evictions


def _evictable(policy: Rules, now: datetime, copies: Iterable[Copy]) -> Iterable[Copy]:
    for copy in copies:
        ours = copy.loaded_by in OURS or (policy.include_others and copy.loaded_by != EXPERIMENT)
        if ours and not copy.pinned and not copy.in_flight and now - copy.idle_since >= FRESH:
            yield copy


def _idle(policy: Rules, now: datetime, waiting: Sequence[Copy]) -> Iterable[Eviction]:
    allowed = policy.inactive_timeout_minutes
    for copy in waiting if policy.auto_unload_inactive else ():
        idle = now - copy.idle_since
        if idle >= timedelta(minutes=allowed):
            minutes = int(idle.total_seconds() // 60)
            yield Eviction(copy, f"idle for {minutes:,} min; the policy allows {allowed:,} min")


def _too_many(policy: Rules, loaded: int, waiting: Sequence[Copy], before: Sequence[Eviction]) -> list[Eviction]:
    most, left = policy.max_loaded_models, loaded - len(before)
    found: list[Eviction] = []
    for copy in _left(waiting, before):
        if most is None or left <= most:
            break
        found.append(Eviction(copy, f"{left:,} loaded; the policy allows {most:,}, and this one was used longest ago"))
        left -= 1
    return found


def _too_full(
    policy: Rules, memory: Room, instances: Sequence[Copy], waiting: Sequence[Copy], before: Sequence[Eviction]
) -> list[Eviction]:
    percent = policy.memory_threshold_percent
    if percent is None or not memory.total or memory.used is None:
        return []
    going = [copy for copy in instances if copy.draining] + [eviction.instance for eviction in before]
    found: list[Eviction] = []
    used = memory.used
    for copy in _left(waiting, before):
        if any(gone.bytes is None for gone in going):
            break  # what they free is not known: the next look measures it
        left = used - sum(gone.bytes or 0 for gone in going)
        if left * 100 <= memory.total * percent:
            break
        full = f"memory is {100 * left / memory.total:.0f} % full ({plain(left)} of {plain(memory.total)})"
        found.append(Eviction(copy, f"{full}; the policy keeps it at {percent} %, and this one was used longest ago"))
        going.append(copy)
    return found


def _left(waiting: Sequence[Copy], before: Sequence[Eviction]) -> list[Copy]:
    gone = {eviction.instance.instance_id for eviction in before}
    return [copy for copy in waiting if copy.instance_id not in gone]
