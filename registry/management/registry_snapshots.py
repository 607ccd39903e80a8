"""`lmstrix registry backup|backups|restore|merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from registry import changing, exchanging, registries, snapshots
from registry.management.base import OwnCommand
from registry.management.registry_reports import HERE, bytes_of, done_here, tell_job, tell_plan
from registry.models import Registry, Snapshot
from registry.models.snapshot import Origin
from registry.rendering import counted
from registry.templatetags.figures import plain_size


def backup(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    taken = snapshots.create(registry, options["name"])
    if options["json"]:
        command.print_json(_as_dict(taken))
    else:
        size = plain_size(taken.size_bytes)
        command.console.print(f"Snapshot {taken} of {registry}: {counted(taken.model_count, 'model')}, {size}.")
        command.console.print(str(snapshots.path(taken)))


def backups(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    kept = Snapshot.objects.filter(registry=registry).exclude(origin=Origin.UPLOAD)
    if options["json"]:
        command.print_json([_as_dict(snapshot) for snapshot in kept])
        return
    if not kept:
        command.console.print(f"{registry} has no snapshot yet; `lmstrix registry backup` takes one.")
        return
    table = Table("Name", "Taken", "Why", "Models", "Size", box=None)
    for snapshot in kept:
        size = "file is gone" if snapshots.lost_file(snapshot) else plain_size(snapshot.size_bytes)
        why = snapshot.note or snapshot.get_origin_display()
        table.add_row(snapshot.name, f"{snapshot.created:%Y-%m-%d %H:%M}", why, f"{snapshot.model_count:,}", size)
    command.console.print(table)


def restore(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    source, as_json = _source(registry, options["source"]), options["json"]
    if not options["dry_run"]:
        kept = _kept(registry, options["source"], source)
        return tell_job(command, registry, done_here(command, changing.enqueue_restore(kept, **HERE), as_json), as_json)
    if isinstance(source, Snapshot):
        return tell_plan(command, registry, snapshots.restore(source, dry_run=True), as_json)
    plan = exchanging.restore_from(registry, source, name=options["source"], dry_run=True)
    return tell_plan(command, registry, plan, as_json)


def merge(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    source, as_json, strategy = _source(registry, options["source"]), options["json"], options["strategy"]
    if not options["dry_run"]:
        job = changing.enqueue_merge(_kept(registry, options["source"], source), strategy, **HERE)
        return tell_job(command, registry, done_here(command, job, as_json), as_json)
    if isinstance(source, Snapshot):
        return tell_plan(command, registry, snapshots.merge(source, strategy, dry_run=True), as_json)
    plan = exchanging.bring_in(registry, source, strategy=strategy, dry_run=True, name=options["source"])
    return tell_plan(command, registry, plan, as_json)


def _source(registry: Registry, text: str) -> Snapshot | bytes:
    """The snapshot of this name, else what the file of this name holds."""
    kept = Snapshot.objects.filter(registry=registry, name=text).first()
    if kept is not None:
        return kept
    if registries.is_path(text) or text == "-" or Path(text).exists():
        return bytes_of(text)
    return snapshots.snapshot_named(registry, text)


def _kept(registry: Registry, text: str, source: Snapshot | bytes) -> Snapshot:
    """What a job works on: a file is kept as an upload first."""
    return source if isinstance(source, Snapshot) else snapshots.store_upload(registry, Path(text).name, source)


def _as_dict(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "name": snapshot.name, "registry": snapshot.registry.name, "date": snapshot.created.isoformat(),
        "origin": snapshot.origin, "note": snapshot.note, "models": snapshot.model_count,
        "size_bytes": snapshot.size_bytes, "sha256": snapshot.sha256, "path": str(snapshots.path(snapshot)),
        "file_lost": snapshots.lost_file(snapshot),
    }  # fmt: skip
