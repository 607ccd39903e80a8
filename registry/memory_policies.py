"""The memory policies: the default one, and those of servers with their own."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from registry import auditing
from registry.models import MemoryPolicy, Server

FIELDS = (
    "enabled", "auto_unload_inactive", "inactive_timeout_minutes", "memory_threshold_percent", "max_loaded_models",
    "include_others",
)  # fmt: skip
SWITCHES = ("enabled", "auto_unload_inactive", "include_others")
RANGES = {  # the smallest, the largest, whether it may be left open
    "inactive_timeout_minutes": (1, 525_600, False),
    "memory_threshold_percent": (1, 100, True),
    "max_loaded_models": (1, 10_000, True),
}


def default_policy() -> MemoryPolicy:
    """The policy of the servers without their own; switched off until somebody switches it on."""
    return MemoryPolicy.objects.filter(server=None).first() or MemoryPolicy(server=None)


def own_policy(server: Server) -> MemoryPolicy | None:
    """The policy that was made for this server."""
    return MemoryPolicy.objects.filter(server=server).select_related("server").first()


def policy_of(server: Server) -> MemoryPolicy:
    """The policy in force on this server: its own, also one that is switched off, else the default."""
    return own_policy(server) or default_policy()


def begun(server: Server) -> MemoryPolicy:
    """How a policy of its own would begin for `server`: the default's values, switched off. It is not saved."""
    return _new(server)


def followers() -> list[Server]:
    """The enabled servers on which the default is in force."""
    return list(Server.objects.enabled().filter(memory_policy=None).order_by("name"))


def save_policy(server: Server | None, **fields: Any) -> MemoryPolicy:
    """Changes these fields of the policy of `server` (None: the default); a server without its own gets one.

    A new policy begins with the default's values, switched off. ValueError in words for people.
    """
    for name in fields:
        if name not in FIELDS:
            raise ValueError(f"{name} is not part of a memory policy; use one of {', '.join(FIELDS)}.")
    with transaction.atomic():
        held = MemoryPolicy.objects.select_for_update().filter(server=server).first()
        policy = held or _new(server)
        before = {name: getattr(policy, name) for name in FIELDS}
        for name, value in fields.items():
            setattr(policy, name, _checked(name, value))
        _save(policy)
        changes = {name: (before[name], getattr(policy, name)) for name in FIELDS}
        changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
        if changes or held is None:
            auditing.note("edit" if held else "add", policy, changes=changes)
    return policy


def drop_policy(server: Server | None) -> None:
    """Takes the server's own policy away: the default is in force again. None: the default is as it was at first."""
    with transaction.atomic():
        if policy := MemoryPolicy.objects.filter(server=server).select_related("server").first():
            auditing.note("delete", policy, summary="the default is in force again" if server else "switched off")
            policy.delete()


def in_words(policy: MemoryPolicy) -> str:
    """What the policy does, as a part of a sentence: `unloads what is idle for 30 min, ...`."""
    most, percent = policy.max_loaded_models, policy.memory_threshold_percent
    parts = [
        f"what is idle for {policy.inactive_timeout_minutes:,} min" if policy.auto_unload_inactive else "",
        f"what is used least above {percent} % of the memory" if percent else "",
        f"what is used least beyond {most:,} loaded model{'' if most == 1 else 's'}" if most else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f"unloads {told}" if told else "unloads nothing"


def _new(server: Server | None) -> MemoryPolicy:
    told = default_policy()
    values = {name: getattr(told, name) for name in FIELDS if name != "enabled"}
    return MemoryPolicy(server=server, **values)


def _checked(name: str, value: Any) -> Any:
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is either true or false, not {value!r}.")
        return value
    low, high, may_be_open = RANGES[name]
    if value is None and may_be_open:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        nothing = ", or nothing" if may_be_open else ""
        raise ValueError(f"{name} must be a whole number from {low} to {high:,}{nothing}, not {value!r}.")
    return value


def _save(policy: MemoryPolicy) -> None:
    try:
        with transaction.atomic():
            policy.save()
    except IntegrityError as error:
        raise ValueError("Another policy for this server was made a moment ago; look at it first.") from error
