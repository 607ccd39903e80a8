"""Snapshots over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import BaseModel

from registry import changing, comparing, snapshots
from registry.api.access import Request, operation
from registry.api.comparing import ChangeShape
from registry.api.exchange import ReportShape, as_file
from registry.api.fields import Body, Text, Word
from registry.api.jobs import Started, started
from registry.api.lists import Items, Listing, found, listed
from registry.api.problems import conflicts
from registry.api.registries import registry_named
from registry.models import Role, Snapshot
from registry.models.registry import DEFAULT
from registry.strategies import strategy_named

router = Router(tags=["snapshots"])
COLUMNS = {"name": "name", "created": "created", "id": "pk"}


class SnapshotShape(BaseModel):
    """A copy of a registry; `size_bytes` on the disk, `sha256` of the document."""

    id: int
    name: str
    registry: str
    origin: str
    note: str
    models: int
    size_bytes: int
    sha256: str
    created: datetime
    made_by: str | None
    file_lost: bool

    @classmethod
    def of(cls, snapshot: Snapshot) -> SnapshotShape:
        return cls(
            id=snapshot.pk,
            name=snapshot.name,
            registry=snapshot.registry.name,
            origin=snapshot.origin,
            note=snapshot.note,
            models=snapshot.model_count,
            size_bytes=snapshot.size_bytes,
            sha256=snapshot.sha256,
            created=snapshot.created,
            made_by=str(snapshot.made_by) if snapshot.made_by else None,
            file_lost=snapshots.lost_file(snapshot),
        )


class NewSnapshot(Body):
    """A snapshot to take; without a name it is named by the date."""

    name: Word = ""
    note: Word = ""


class Where(BaseModel):
    """In which registry."""

    registry: Text = DEFAULT


class SnapshotsWanted(Listing, Where):
    """Which snapshots."""


class RestoreWanted(Where):
    """What to do first."""

    dry_run: bool = False


class MergeWanted(RestoreWanted):
    """Who wins."""

    strategy: Word = "update"


class Choice(Body):
    """The changes to take over, by their tokens in a diff; null: all, by the strategy."""

    tokens: list[Word] | None = None


class DiffWanted(Where):
    """Two sides: each the name of a snapshot of the registry, or of a registry (empty: the registry itself)."""

    before: Text = ""
    after: Text = ""


class DiffShape(BaseModel):
    """How `after` differs from `before`; a token names a change where it is taken over."""

    summary: str
    changes: list[ChangeShape]


def _snapshot(where: Where, name: str) -> Snapshot:
    rows = Snapshot.objects.select_related("registry", "made_by")
    return found(rows.filter(registry=registry_named(where.registry)), "snapshot", name=name)


@operation(router.get, "", role=Role.VIEWER, answers=Items[SnapshotShape], also=(404,))
def list_snapshots(request: Request, wanted: Query[SnapshotsWanted]) -> Items[SnapshotShape]:
    """Snapshots of a registry, newest first."""
    rows = Snapshot.objects.select_related("registry", "made_by").filter(registry=registry_named(wanted.registry))
    return listed(SnapshotShape, rows, wanted, sort="id", reverse=True, columns=COLUMNS)


@operation(router.post, "", role=Role.OPERATOR, answers=SnapshotShape, status=201, also=(404, 409))
def create_snapshot(request: Request, where: Query[Where], snapshot: NewSnapshot) -> Status[SnapshotShape]:
    """Takes a snapshot of a registry as it is now."""
    registry = registry_named(where.registry)
    with conflicts():
        taken = snapshots.create(registry, snapshot.name, note=snapshot.note)
    return Status(201, SnapshotShape.of(taken))


@operation(router.get, "/diff", role=Role.VIEWER, answers=DiffShape, also=(404,))
def compare_snapshots(request: Request, wanted: Query[DiffWanted]) -> DiffShape:
    """What is different between two snapshots, or a snapshot and the registry as it is now."""
    registry = registry_named(wanted.registry)
    now = f"registry:{registry.name}"
    before, after = (comparing.side(text or now, registry=registry) for text in (wanted.before, wanted.after))
    found_out = comparing.compare(before, after)
    changes = [ChangeShape.of(change, found_out) for change in found_out.changes]
    return DiffShape(summary=found_out.sentence(after.label, before.label), changes=changes)


@operation(router.get, "/{name}", role=Role.VIEWER, answers=SnapshotShape)
def get_snapshot(request: Request, name: Text, where: Query[Where]) -> SnapshotShape:
    """One snapshot."""
    return SnapshotShape.of(_snapshot(where, name))


@operation(router.delete, "/{name}", role=Role.ADMIN, answers=None, status=204)
def delete_snapshot(request: Request, name: Text, where: Query[Where]) -> Status[None]:
    """Deletes a snapshot for good."""
    snapshots.delete(_snapshot(where, name))
    return Status(204, None)


@operation(router.get, "/{name}/download", role=Role.VIEWER, answers=None)
def download_snapshot(request: Request, name: Text, where: Query[Where]) -> HttpResponse:
    """The document as it was taken; uploads as they were sent."""
    snapshot = _snapshot(where, name)
    data = snapshots.document(snapshot)
    whole = snapshot.origin != "upload"
    return as_file(data, f"{name}.json" if whole else name, "application/json" if whole else "application/octet-stream")


@operation(
    router.post, "/{name}/restore", role=Role.ADMIN, answers=Started, status=202, instead={200: ReportShape},
    also=(409,),
)  # fmt: skip
def restore_snapshot(request: Request, name: Text, wanted: Query[RestoreWanted]) -> Status[Any]:
    """Makes the registry what it was; what it is now is kept as a snapshot first. With `dry_run`: what that changes."""
    snapshot = _snapshot(wanted, name)
    if wanted.dry_run:
        return Status(200, ReportShape.of(snapshots.restore(snapshot, dry_run=True)))
    snapshots.document(snapshot)  # a damaged one is refused here and now
    return started(changing.enqueue_restore(snapshot))


@operation(
    router.post, "/{name}/merge", role=Role.ADMIN, answers=Started, status=202, instead={200: ReportShape},
    also=(409,),
)  # fmt: skip
def merge_snapshot(
    request: Request, name: Text, wanted: Query[MergeWanted], choice: Choice | None = None
) -> Status[Any]:
    """Merges a snapshot into its registry by a strategy, or takes over chosen changes of it."""
    snapshot, strategy = _snapshot(wanted, name), strategy_named(wanted.strategy)
    if wanted.dry_run:
        return Status(200, ReportShape.of(snapshots.merge(snapshot, strategy, dry_run=True)))
    snapshots.document(snapshot)
    return started(changing.enqueue_merge(snapshot, strategy, choice.tokens if choice else None))
