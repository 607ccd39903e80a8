"""Two registries (or snapshots, or another LMStrix) beside each other, over REST."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from ninja import Router, Status
from ninja.errors import HttpError
from pydantic import BaseModel, Field

from registry import changing, comparing, syncing
from registry.api.access import Request, operation
from registry.api.fields import Body, Secret, Text
from registry.api.jobs import Started, started
from registry.api.registries import registry_named
from registry.comparing import Side
from registry.diffing import Change, Diff
from registry.documents.content import Unreadable
from registry.models import Registry, Role
from registry.models.registry import DEFAULT
from registry.remote import RemoteTrouble

router = Router(tags=["registries"])

Strategy = Literal["update", "skip", "replace", "prefer_newer", "prefer_incoming", "prefer_existing"]


class Sides(Body):
    """Two sides, each the name of a registry or of a snapshot of `registry`, or the address of another LMStrix.

    `registry:NAME` and `snapshot:NAME` say which is meant; an address takes the role admin. `token`: of that other
    LMStrix; else the setting LMSTRIX_REMOTE_TOKEN is used.
    """

    first: Text
    second: Text
    registry: Text = DEFAULT
    token: Secret = ""


class SidesToCompare(Sides):
    """As Sides; `limit`: so many changes are told."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000


class SidesToSync(Sides):
    """As Sides; `results`: test results travel between hosts too. `dry_run`: nothing is written, 200 tells the plan."""

    strategy: Strategy = "prefer_newer"
    results: bool = False
    dry_run: bool = False


class SideShape(BaseModel):
    """One side; `spec` finds it again."""

    label: str
    spec: str
    models: int


class FieldShape(BaseModel):
    """One field on both sides; `token` chooses it."""

    field: str
    part: str
    before: Any
    after: Any
    token: str


class ChangeShape(BaseModel):
    """One object that is not the same; `elsewhere`: its test results are of another host. `token` chooses all of it."""

    kind: str
    id: str
    name: str
    action: str
    elsewhere: bool
    token: str
    fields: list[FieldShape]

    @classmethod
    def of(cls, change: Change, found: Diff) -> ChangeShape:
        fields = [
            FieldShape(
                field=each.field, part=each.part, token=each.token,
                before=found.shown(each.field, each.before), after=found.shown(each.field, each.after),
            )
            for each in change.fields
        ]  # fmt: skip
        return cls(
            kind=change.kind, id=change.id, name=change.name, action=change.action, elsewhere=change.elsewhere,
            token=change.token, fields=fields,
        )  # fmt: skip


class Compared(BaseModel):
    """How `second` differs from `first`; `added` is only in `second`, `missing` only in `first`."""

    first: SideShape
    second: SideShape
    sentence: str
    counts: dict[str, int]
    same: dict[str, int]
    total: int
    changes: list[ChangeShape]


class SyncedSide(BaseModel):
    """What changes on one side: objects by action."""

    label: str
    changes: int
    counts: dict[str, int]


class SyncReport(BaseModel):
    """What a sync does; `since` is when both sides were the same last, null: never (then nothing is deleted)."""

    summary: str
    models_updated: int
    models_added: int
    models_deleted: int
    conflicts: list[str]
    undecided: list[str]
    warnings: list[str]
    sides: list[SyncedSide]
    since: str | None
    written: bool
    undo: list[int]


@operation(router.post, "/compare", role=Role.VIEWER, answers=Compared, also=(404, 502))
def compare_registries(request: Request, body: SidesToCompare) -> Compared:
    """What `second` has more, lacks and has otherwise than `first`."""
    registry = registry_named(body.registry)
    with _refusals():
        first, second = _sides(request, body, registry)
        found = comparing.compare(first, second)
    return Compared(
        first=_shape(first),
        second=_shape(second),
        sentence=found.sentence(second.label, first.label),
        counts={action: found.count(action) for action in ("added", "missing", "changed")},
        same=dict(found.same),
        total=len(found.changes),
        changes=[ChangeShape.of(change, found) for change in found.changes[: body.limit]],
    )


@operation(
    router.post, "/sync", role=Role.ADMIN, answers=Started, status=202, instead={200: SyncReport}, also=(404, 409, 502)
)
def sync_registries(request: Request, body: SidesToSync) -> Status[Any]:
    """Brings two sides to the same, in a job; three-way from their last sync, else both get everything of both."""
    registry = registry_named(body.registry)
    with _refusals():
        first, second = _sides(request, body, registry)
        report = syncing.sync(first, second, strategy=body.strategy, dry_run=True, results=body.results)
    if body.dry_run:
        return Status(200, SyncReport(**report.as_dict()))
    job = changing.enqueue_sync(
        registry, first.spec, second.spec, body.strategy, results=body.results, remote_token=body.token
    )
    return started(job)


def _sides(request: Request, body: Sides, registry: Registry) -> tuple[Side, Side]:
    texts = body.first, body.second
    if any("://" in text for text in texts) and not request.auth.role.covers(Role.ADMIN):
        raise HttpError(403, "To let LMStrix ask another address takes the role admin.")
    first, second = (comparing.side(text, registry=registry, remote_token=body.token) for text in texts)
    return first, second


def _shape(side: Side) -> SideShape:
    return SideShape(label=side.label, spec=side.spec, models=side.models)


@contextmanager
def _refusals() -> Iterator[None]:
    """Trouble with another LMStrix is 502, a file or snapshot that cannot be used 422."""
    try:
        yield
    except RemoteTrouble as error:
        raise HttpError(502, str(error)) from error
    except Unreadable as error:
        raise HttpError(422, str(error)) from error
