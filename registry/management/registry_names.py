"""`lmstrix registry list|create|rename|delete`."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from registry import registries
from registry.management.base import OwnCommand, registry_named
from registry.models import Registry
from registry.rendering import counted


def registries_known(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    rows = [_as_dict(each) for each in Registry.objects.order_by("name")]
    if options["json"]:
        command.print_json(rows)
        return
    table = Table("Registry", "Models", "Snapshots", "File", box=None)
    for row in rows:
        table.add_row(row["name"], f"{row['models']:,}", f"{row['snapshots']:,}", row["file"] or "–")
    command.console.print(table)


def create(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    made = registries.create_registry(options["name"])
    _tell(command, options, {"created": made.name}, f"{made}: made, and empty; commands take it by --registry.")


def rename(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    old = _named(options["name"])
    before = old.name
    registries.rename_registry(old, options["new"])
    _tell(command, options, {"renamed": before, "name": old.name}, f"{before} is now {old}.")


def delete(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    old = _named(options["name"])
    told, dry_run = _as_dict(old), options["dry_run"]
    if not dry_run:
        registries.delete_registry(old)
    lost = f"{counted(told['models'], 'model')} and {counted(told['snapshots'], 'snapshot')}"
    done = f"{told['name']}: {'would be deleted' if dry_run else 'deleted'} with {lost}."
    _tell(command, options, {"deleted": told["name"], "dry_run": dry_run} | told, done)


def _named(name: str) -> Registry:
    """The registry as it is in the database: its file need not be readable any more."""
    return (registries.opened(name) if registries.is_path(name) else None) or registry_named(name)


def _tell(command: OwnCommand, options: dict[str, Any], told: dict[str, Any], text: str) -> None:
    if options["json"]:
        command.print_json(told)
    else:
        command.console.print(text)


def _as_dict(registry: Registry) -> dict[str, Any]:
    return {
        "name": registry.name, "models": registry.models.count(), "snapshots": registry.snapshots.count(),
        "file": registry.path or None,
    }  # fmt: skip
