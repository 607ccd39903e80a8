"""Jobs over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, cast

from django.db.models import Count, IntegerField, OneToOneRel, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from ninja import Query, Router, Status
from ninja.errors import HttpError
from pydantic import BaseModel

from registry import jobs, supervising
from registry.api.access import Request, operation
from registry.api.fields import Id, Word
from registry.api.lists import Items, Listing, found, listed
from registry.models import Job, Role
from registry.models.job import JobStatus

router = Router(tags=["jobs"])

StatusName = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobObject(BaseModel):
    """What a job works on: `type` and `id` make its address, `/api/{type}s/{id}`."""

    type: str
    id: int


class JobShape(BaseModel):
    """A piece of work; `progress` runs from 0 to 1, `parent` is the id of the job it is a part of.

    `result` is what came of it where no object holds that; `undo` in it is the snapshot of what was before.
    """

    id: int
    kind: str
    title: str
    status: StatusName
    progress: float
    message: str
    error: str | None
    parent: int | None
    children: int
    object: JobObject | None
    result: dict[str, Any]
    waiting_for: int | None
    cancel_requested: bool
    tidying: bool
    attempt: int
    door: str
    asked_by: str | None
    created: datetime
    started: datetime | None
    ended: datetime | None

    @classmethod
    def of(cls, job: Job) -> JobShape:
        """From a row of `rows()`."""
        return cls(
            id=job.pk,
            kind=job.kind,
            title=job.title,
            status=cast(StatusName, job.status),
            progress=job.progress,
            message=job.message,
            error=job.error or None,
            parent=job.parent_id,
            children=job.family,  # type: ignore[attr-defined]
            object=_object(job),
            result=job.result,
            waiting_for=job.waiting_for_id,
            cancel_requested=job.cancel_requested,
            tidying=job.tidying,
            attempt=job.attempt,
            door=job.door,
            asked_by=job.asker or None,
            created=job.created,
            started=job.started,
            ended=job.ended,
        )


class Started(BaseModel):
    """The job that now does the work."""

    job: JobShape


class JobsWanted(Listing):
    """Filters of the list of jobs."""

    status: StatusName | None = None
    kind: Word | None = None
    parent: Id | None = None


def _results() -> list[str]:
    """The tables that hold what a job found, by the name a job knows them: Scan, ContextTest and so on."""
    relations = [each for each in Job._meta.related_objects if isinstance(each, OneToOneRel)]
    return [each.get_accessor_name() or "" for each in relations]


def rows() -> QuerySet[Job]:
    """Jobs with all that `JobShape` shows, in one query."""
    family = Job.objects.filter(parent=OuterRef("pk")).order_by().values("parent").annotate(n=Count("pk")).values("n")
    jobs = Job.objects.select_related("asked_by", *_results())
    return jobs.annotate(family=Coalesce(Subquery(family, output_field=IntegerField()), 0))


def _object(job: Job) -> JobObject | None:
    for name in _results():
        result: Any = getattr(job, name, None)
        if result is not None:
            return JobObject(type=str(result._meta.verbose_name).replace(" ", "-"), id=result.pk)
    return None


def started(job: Job) -> Status[Started]:
    """The answer 202 to a request that started `job`."""
    return Status(202, Started(job=JobShape.of(rows().get(pk=job.pk))))


@operation(router.get, "", role=Role.VIEWER, answers=Items[JobShape])
def list_jobs(request: Request, wanted: Query[JobsWanted]) -> Items[JobShape]:
    """Jobs, newest first."""
    chosen = wanted.model_dump(include={"status", "kind", "parent"}, exclude_none=True)
    return listed(JobShape, rows().filter(**chosen), wanted, reverse=True)


@operation(router.get, "/{int:id}", role=Role.VIEWER, answers=JobShape)
def get_job(request: Request, id: Id) -> JobShape:
    """One job, as it is now."""
    return JobShape.of(found(rows(), "job", pk=id))


@operation(router.post, "/{int:id}/cancel", role=Role.OPERATOR, answers=Started, status=202, also=(409,))
def cancel_job(request: Request, id: Id) -> Status[Started]:
    """Asks for the end of a job and its children; `status` turns `cancelled` when it has stopped."""
    job = found(Job.objects.all(), "job", pk=id)
    if not job.is_open:
        ended = "was cancelled" if job.status == JobStatus.CANCELLED else f"has {job.status}"
        raise HttpError(409, f"Job {id} {ended} already; only a queued or running job can be cancelled.")
    supervising.cancel(job)
    return started(job)


@operation(router.post, "/{int:id}/retry", role=Role.OPERATOR, answers=Started, status=202, also=(409,))
def retry_job(request: Request, id: Id) -> Status[Started]:
    """Queues a failed or cancelled job again, by the role that starting it takes; what was finished stays."""
    job = found(Job.objects.all(), "job", pk=id)
    if not request.auth.role.covers(needed := jobs.kind_of(job).role):
        raise HttpError(403, f"To retry a job of the kind {job.kind} takes the role {needed.value}.")
    if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED) or not supervising.retry(job):
        state = "still putting things back" if job.tidying else job.status
        raise HttpError(409, f"Job {id} is {state}; only a failed or cancelled job can be retried.")
    return started(job)
