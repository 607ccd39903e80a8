"""Takes, restores, merges and deletes snapshots."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry import auditing, exchanging, keeping, merging, replacing
from registry.keeping import content, document, lost_file, path
from registry.models import Registry, Snapshot
from registry.models.snapshot import Origin
from registry.replacing import Finish, Report

__all__ = [
    "content", "create", "delete", "document", "due", "lost_file", "merge", "path", "prune", "restore",
    "snapshot_named", "store_upload",
]  # fmt: skip

LONGEST_NAME = 200
RESERVED = ("diff",)  # words that have an address of their own among the snapshots
DAILY_HOUR = 2  # UTC


def snapshot_named(registry: Registry, name: str) -> Snapshot:
    """The snapshot of this name; ValueError names the newest ones when there is none."""
    found = Snapshot.objects.filter(registry=registry, name=name).first()
    if found is None:
        known = ", ".join(Snapshot.objects.filter(registry=registry).values_list("name", flat=True)[:10])
        raise ValueError(f"Registry {registry} has no snapshot named {name}; it has {known or 'none yet'}.")
    return found


def create(registry: Registry, name: str = "", *, origin: str = Origin.BY_HAND, note: str = "") -> Snapshot:
    """A snapshot of the registry as it is now, under `name` or the date; ValueError when it cannot be taken."""
    name = _checked(registry, name) if name else ""
    with keeping.drafted(registry, keeping.contents_now(registry)[0], name, origin=origin, note=note) as draft:
        return keeping.save(draft)


def store_upload(registry: Registry, name: str, data: bytes) -> Snapshot:
    """Keeps a file that somebody sent, byte for byte; raises Unreadable, and keeps nothing, when it is no good."""
    models = len(keeping.read_file(data, name=name).content.models)
    title = "".join(char if char.isprintable() and char not in "/\\" else "_" for char in name).strip()
    title = keeping.free_name(registry, f"{title[:100] or 'upload'} {keeping.dated(timezone.now())}")
    with keeping.filed(
        Snapshot(registry=registry, name=title, origin=Origin.UPLOAD, model_count=models), data
    ) as draft:
        return keeping.save(draft)


def _checked(registry: Registry, name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name or "\\" in name:
        raise ValueError(f"A snapshot's name has 1 to {LONGEST_NAME} printable characters and no slash.")
    if name in RESERVED or name.strip(".") == "":
        raise ValueError(f"A snapshot cannot be named {name}; choose another name.")
    if Snapshot.objects.filter(registry=registry, name=name).exists():
        raise ValueError(f"Registry {registry} has a snapshot named {name} already; choose another name.")
    return name


def restore(snapshot: Snapshot, *, dry_run: bool = False, finish: Finish | None = None) -> Report:
    """Makes its registry what it was; a snapshot of what it is now is taken first (`undo`)."""
    return exchanging.restore_from(
        snapshot.registry, document(snapshot), name=snapshot.name, dry_run=dry_run, finish=finish
    )


def merge(
    snapshot: Snapshot,
    strategy: str,
    *,
    dry_run: bool = False,
    results: bool | None = None,
    finish: Finish | None = None,
) -> Report:
    """Merges a snapshot into its registry; what the snapshot lacks stays."""
    incoming = content(snapshot)
    return replacing.carry_out(
        snapshot.registry,
        lambda now: merging.merge(now, incoming, strategy, results=results),
        action="merge",
        source=snapshot.name,
        dry_run=dry_run,
        finish=finish,
    )


def delete(snapshot: Snapshot) -> None:
    """Deletes row and file; the file goes when the row is gone for good."""
    file = path(snapshot)
    with transaction.atomic():
        auditing.note("delete", snapshot, summary=f"{snapshot.model_count:,} models")
        snapshot.delete()
        transaction.on_commit(lambda: file.unlink(missing_ok=True))


def outdated(registry: Registry) -> QuerySet[Snapshot]:
    """Snapshots that are kept no longer: daily ones beyond the number, safety ones and uploads beyond their days."""
    here = Snapshot.objects.filter(registry=registry)
    kept = here.filter(origin=Origin.DAILY)[: settings.SNAPSHOT_KEEP].values_list("pk", flat=True)
    oldest = timezone.now() - timedelta(days=settings.SAFETY_SNAPSHOT_DAYS)
    daily = here.filter(origin=Origin.DAILY).exclude(pk__in=list(kept))
    return daily | here.filter(origin__in=[Origin.SAFETY, Origin.UPLOAD], created__lt=oldest)


def prune(registry: Registry) -> int:
    """Deletes what is kept no longer; gives how many."""
    old = list(outdated(registry))
    for snapshot in old:
        delete(snapshot)
    return len(old)


def due() -> list[Registry]:
    """Registries that changed since their last daily snapshot, once the hour of the day has come."""
    now = timezone.now()
    hour = now.replace(hour=DAILY_HOUR, minute=0, second=0, microsecond=0)
    hour = hour if hour <= now else hour - timedelta(days=1)
    waiting = []
    for registry in Registry.objects.exclude(version=0):
        last = Snapshot.objects.filter(registry=registry, origin=Origin.DAILY).first()
        if last is None or (last.created < hour and last.created < registry.updated):
            waiting.append(registry)
    return waiting
