"""Keeping registries in order, over REST."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from registry import changing, upkeep
from registry.api.access import Request, operation
from registry.api.exchange import ReportShape
from registry.api.fields import Body, Text
from registry.api.jobs import Started, started
from registry.api.registries import registry_named
from registry.models import Role
from registry.validating import Issue

router = Router(tags=["registries"])


class IssueShape(BaseModel):
    """An object that breaks a rule; `mend` says what `fix` does about it, null: a person has to decide."""

    kind: str
    object: str
    text: str
    mend: str | None

    @classmethod
    def of(cls, issue: Issue) -> IssueShape:
        return cls(**issue.as_dict())


class Validity(BaseModel):
    """Whether every rule holds, and what breaks one."""

    valid: bool
    issues: list[IssueShape]


class FixedShape(BaseModel):
    """What was mended, or will be; `undo` is the snapshot of what was before."""

    steps: list[IssueShape]
    applied: bool
    undo: str | None


class CompactedShape(BaseModel):
    """Bytes on the disk before and after."""

    before: int
    after: int
    saved: int
    files: int


class DryRun(BaseModel):
    """Whether it is only said."""

    dry_run: bool = False


class Cleanup(Body):
    """What to remove: models that no server has any more; results of tests older than a number of days."""

    orphans: bool = False
    results_older_than: Annotated[int, Field(ge=0, le=36_500)] | None = None


@operation(router.get, "/{path:name}/validate", role=Role.VIEWER, answers=Validity)
def validate_registry(request: Request, name: Text) -> Validity:
    """Every broken rule, each with its object."""
    issues = upkeep.validate(registry_named(name))
    return Validity(valid=not issues, issues=[IssueShape.of(issue) for issue in issues])


@operation(router.post, "/{path:name}/fix", role=Role.ADMIN, answers=FixedShape, also=(409,))
def fix_registry(request: Request, name: Text, wanted: Query[DryRun]) -> FixedShape:
    """Mends what can be mended without a decision; a snapshot is taken first."""
    done = upkeep.fix(registry_named(name), dry_run=wanted.dry_run)
    return FixedShape(
        steps=[IssueShape.of(issue) for issue in done.steps],
        applied=not wanted.dry_run,
        undo=done.undo.name if done.undo else None,
    )


@operation(
    router.post, "/{path:name}/cleanup", role=Role.ADMIN, answers=Started, status=202, instead={200: ReportShape},
    also=(409,),
)  # fmt: skip
def clean_registry(request: Request, name: Text, wanted: Query[DryRun], what: Cleanup) -> Status[Any]:
    """Removes what is of no use any more; a snapshot is taken first. With `dry_run`: what that removes."""
    registry, days = registry_named(name), what.results_older_than
    upkeep.check(what.orphans, days)
    if wanted.dry_run:
        report = upkeep.cleanup(registry, orphans=what.orphans, older_than_days=days, dry_run=True)
        return Status(200, ReportShape.of(report))
    return started(changing.enqueue_cleanup(registry, orphans=what.orphans, older_than_days=days))


@operation(router.post, "/{path:name}/compact", role=Role.ADMIN, answers=CompactedShape, also=(409,))
def compact_registry(request: Request, name: Text) -> CompactedShape:
    """Gives back the space that nothing uses."""
    done = upkeep.compact(registry_named(name))
    return CompactedShape(before=done.before, after=done.after, saved=done.saved, files=done.files)
