"""What a page compares: a registry as it is now, or a snapshot; never a file of the host or an address from a link."""

from __future__ import annotations

from registry import comparing
from registry.comparing import Side
from registry.models import Registry, Snapshot

SHOWN = 200  # of each kind, to choose from


def side(spec: str) -> Side:
    """The side that an address names (`registry:7`, `snapshot:12`); ValueError when it is gone or cannot be read."""
    kind, _, key = spec.partition(":")
    number = int(key) if key.isascii() and key.isdigit() and len(key) < 19 else 0
    if kind == "snapshot" and (snapshot := Snapshot.objects.select_related("registry").filter(pk=number).first()):
        return comparing.side_kept(snapshot)
    if kind == "registry" and (registry := Registry.objects.filter(pk=number).first()):
        return comparing.side_of(registry)
    raise ValueError("One side of the comparison is not there any more; choose it again.")


def of_registry(registry: Registry) -> str:
    return f"registry:{registry.pk}"


def of_snapshot(snapshot: Snapshot) -> str:
    return f"snapshot:{snapshot.pk}"


def can_take(before: Side, after: Side) -> bool:
    """Whether changes can be taken over: only a registry as it is now changes, a snapshot never does."""
    if before.registry is None:
        return False
    return after.snapshot is None or after.snapshot.registry_id == before.registry.pk


def choices(registry: Registry) -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be compared, for a select with groups: the registry first, its snapshots, the other registries."""
    others = Registry.objects.exclude(pk=registry.pk)[:SHOWN]
    groups = [
        ("This registry", [(of_registry(registry), f"{registry} now")]),
        ("Its snapshots", [(of_snapshot(snapshot), snapshot.name) for snapshot in registry.snapshots.all()[:SHOWN]]),
        ("Other registries", [(of_registry(other), f"{other} now") for other in others]),
    ]
    return [group for group in groups if group[1]]
