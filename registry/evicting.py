"""Carries out the memory policies: what they unload is planned, drained of requests, looked at again, unloaded."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.functions import Now
from django.utils import timezone

from registry import copies, draining, eviction_plan, memory_policies, memory_use, notifying
from registry.eviction_plan import Room, Rules
from registry.lmstudio.errors import LMStudioError
from registry.load_lock import loading_on, refuse_reserved
from registry.memory_use import Memory
from registry.models import Instance, MemoryPolicy, Server, StateChange
from registry.models.language_model import State
from registry.models.state_change import Cause
from registry.sealing import Unreadable
from registry.unloading import take_out

DRAIN_SECONDS = 15.0  # every process of the gateway answers within seconds; what is used meanwhile stays
LOCK_SECONDS = 5.0  # somebody else loads or unloads there: the next round looks again
PAUSE = timedelta(minutes=10)  # before a server is asked again for what it refused
STAYED = (State.LOADED, State.ERROR)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Eviction:
    """A loaded copy to take out of memory, with the reason in words; `bytes` is what that frees, None: unknown."""

    instance: Instance
    reason: str
    idle_since: datetime
    bytes: int | None


def would(
    server: Server, policy: Rules | None = None, memory: Memory | None = None, uses: copies.Uses | None = None, *,
    ahead: timedelta = timedelta(),
) -> list[Eviction]:  # fmt: skip
    """What the policy of `server` (or `policy`) would unload now, whether it is switched on or not.

    `ahead`: so much later, with nothing used until then. Nothing while the server does not answer, or an experiment has
    it, which leaves it as it found it.
    """
    if server.reachable is False or _in_experiment(server):
        return []
    policy = policy or memory_policies.policy_of(server)
    memory = memory or memory_use.memory_of(server)
    uses, told = uses or copies.uses(), {}
    for taken in memory.instances:
        told[taken.copy.instance_id] = (taken.copy.instance, _seen(taken.copy, uses, taken.bytes))
    room = Room(memory.total_bytes, memory.used_bytes)
    plan = eviction_plan.plan(policy, timezone.now() + ahead, [copy for _, copy in told.values()], room)
    return [
        Eviction(told[one.instance.instance_id][0], one.reason, one.instance.idle_since, one.instance.bytes)
        for one in plan
    ]


def spared(
    server: Server, policy: Rules | None = None, memory: Memory | None = None, uses: copies.Uses | None = None
) -> list[Instance]:
    """What it would unload too, were it not loaded or used within the last minute."""
    fresh = timezone.now() - eviction_plan.FRESH
    later = would(server, policy, memory, uses, ahead=eviction_plan.FRESH)
    return [one.instance for one in later if one.idle_since > fresh]


def run(server: Server) -> list[Eviction]:
    """Unloads what the policy of `server` says, where it is switched on; gives what was unloaded."""
    policy = memory_policies.policy_of(server)
    if not policy.enabled or not server.enabled:
        return []
    return [one for one in would(server, policy) if not _refused_lately(one) and _evict(server, one)]


def run_all() -> list[Eviction]:
    """The same for every server with a policy that is switched on."""
    draining.release_abandoned()
    if not MemoryPolicy.objects.filter(enabled=True).exists():
        return []
    return [eviction for server in Server.objects.enabled() for eviction in run(server)]


def _evict(server: Server, eviction: Eviction) -> bool:
    """Unloads it, unless somebody uses it meanwhile; who wants it loaded waits for the lock, and loads it again."""
    try:
        with loading_on(server, f"unloading {eviction.instance}", wait_seconds=LOCK_SECONDS):
            refuse_reserved(server)
            done = _take_out(server, eviction)
    except (ValueError, LMStudioError, Unreadable) as error:
        log.warning("the memory policy could not unload %s from %s: %s", eviction.instance, server, error)
        return False
    if done:
        _tell(server, eviction)
    return done


def _take_out(server: Server, eviction: Eviction) -> bool:
    instance = eviction.instance
    try:
        if not (draining.drained(instance, timeout=DRAIN_SECONDS, patient=False) and _still_idle(server, eviction)):
            log.info("%s stays on %s: it is in use", instance, server)
            return False
        take_out(instance, cause=Cause.POLICY, reason=eviction.reason, patience=DRAIN_SECONDS)
    finally:
        draining.release(instance)
    return True


def _refused_lately(eviction: Eviction) -> bool:
    """Whether the server did not let a policy unload it a moment ago: only then it puts a model back to loaded."""
    back = StateChange.objects.filter(model=eviction.instance.model_id, cause=Cause.POLICY, new__in=STAYED)
    return back.filter(at__gte=Now() - PAUSE).exists()


def _still_idle(server: Server, eviction: Eviction) -> bool:
    """Whether nobody used, pinned or unloaded it since the plan, and the policy is still switched on."""
    if not memory_policies.policy_of(server).enabled:
        return False
    now = _copy(copies.on(server), eviction.instance.instance_id)
    if now is None or now.pinned:
        return False
    used = now.used(copies.uses())
    return used is None or used <= eviction.idle_since


def _copy(found: Iterable[copies.Copy], instance_id: str) -> copies.Copy | None:
    return next((copy for copy in found if copy.instance_id == instance_id), None)


def _tell(server: Server, eviction: Eviction) -> None:
    details = {
        "server": server.name,
        "instance": eviction.instance.instance_id,
        "reason": eviction.reason,
        "freed_bytes": eviction.bytes,
    }
    notifying.notify("model.evicted", eviction.instance.model.key, details)


def _in_experiment(server: Server) -> bool:
    return bool(server.experiment_id and server.experiment_until and server.experiment_until >= timezone.now())


def _seen(copy: copies.Copy, uses: copies.Uses, count: int | None) -> eviction_plan.Copy:
    return eviction_plan.Copy(
        instance_id=copy.instance_id,
        loaded=copy.loaded,
        used=copy.used(uses),
        loaded_by=copy.loaded_by,
        pinned=copy.pinned,
        in_flight=uses.in_flight.get(copy.key, 0),
        draining=copy.draining,
        bytes=count,
    )
