"""Runs jobs: claim, show life, cancel, end, resume.

A claimed job is a `Claim`: every write goes through its lease, so a worker that lost the lease (it hung, it was
cut off) can change nothing more. One try/except, in `running`, turns what happened into the job's end.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from registry import acting, announcing, dispatching, notifying, supervising
from registry.acting import Actor
from registry.claims import Cancelled, Claim, JobFailed, LeaseLost, Waiting
from registry.models import Job, Role
from registry.models.job import JobStatus

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """What a kind of job does, how it puts things back after a cancel or a failure, and who may start it again."""

    run: Callable[[Claim], None]
    tidy: Callable[[Claim], None] | None = None
    role: Role = Role.OPERATOR


KINDS: dict[str, Kind] = {}


def kind_of(job: Job) -> Kind:
    """How to do this kind of job; one that a newer version has queued fails with that reason."""
    return KINDS.get(job.kind, Kind(_unknown))


def _unknown(held: Claim) -> None:
    raise JobFailed(f"this version of LMStrix does not know work of the kind {held.job.kind}; update it and retry")


def enqueue(kind: str, *, title: str = "", **fields: Any) -> Job:
    """A queued job; it is sent to a worker when the transaction commits."""
    job = Job.objects.create(kind=kind, title=title, message="waiting for a worker", **fields)
    dispatching.send(job.pk)
    announcing.announce("job", job.pk)
    return job


def claim(job: Job) -> Claim | None:
    """Takes a queued job by one conditional UPDATE; None when somebody else was first."""
    lease = uuid.uuid4().hex
    taken = Job.objects.filter(pk=job.pk, status=JobStatus.QUEUED).update(
        status=JobStatus.RUNNING,
        lease=lease,
        owner=f"{socket.gethostname()}:{os.getpid()}",
        heartbeat_at=Now(),
        attempt=F("attempt") + 1,
        started=Coalesce("started", Now()),
        waiting_for=None,
        message="starting",
    )
    if taken != 1:
        return None
    job.refresh_from_db()
    return Claim(job, lease)


def run(job_id: int) -> None:
    """Does the work of one job, if it is still to be done and nobody else does it."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        log.info("job %s has vanished", job_id)
    elif job.tidying:
        _take_over_tidying(job)
    elif held := claim(job):
        carry_out(held)


def carry_out(held: Claim) -> None:
    kind = kind_of(held.job)
    job = held.job
    with acting.acting(Actor(job.door, job.asked_by, job.params.get("who", ""), job)), running(held, kind):
        kind.run(held)


@contextmanager
def running(held: Claim, kind: Kind) -> Iterator[None]:
    """The one place where what happened to a job becomes its end."""
    try:
        yield
    except LeaseLost as lost:
        log.warning("stopped: %s", lost)
    except Waiting as waiting:
        _back_to_queue(held, waiting)
    except Cancelled:
        _end(held, kind, JobStatus.CANCELLED, message="cancelled")
    except Exception as error:
        if not isinstance(error, JobFailed):
            log.exception("job %s failed", held.job.pk)
        _end(held, kind, JobStatus.FAILED, error=str(error) or type(error).__name__)
    else:
        _end(held, kind, JobStatus.SUCCEEDED, progress=1.0)


def _back_to_queue(held: Claim, waiting: Waiting) -> None:
    # no attempt is used up: nothing was tried
    held.write(
        status=JobStatus.QUEUED,
        lease="",
        waiting_for=waiting.server.pk,
        message=str(waiting),
        attempt=F("attempt") - 1,
    )
    announcing.announce("job", held.job.pk)


def _end(held: Claim, kind: Kind, status: str, **fields: Any) -> None:
    tidying = kind.tidy is not None and status != JobStatus.SUCCEEDED
    try:
        held.write(status=status, ended=Now(), tidying=tidying, **fields)
        announcing.announce("job", held.job.pk)
        supervising.settle(held.job.parent_id)
        if status == JobStatus.FAILED:
            notifying.job_failed(held.job, fields.get("error", ""))
        if tidying:
            _tidy(held, kind)
    except LeaseLost as lost:
        log.warning("stopped: %s", lost)
    else:
        held.free()


def _tidy(held: Claim, kind: Kind) -> None:
    """Puts back what the job had set aside; the job itself has ended already."""
    held.heed_cancel = False
    try:
        if kind.tidy is not None:
            kind.tidy(held)
    except LeaseLost:
        raise
    except Waiting as waiting:
        # another experiment has the server: what was set aside is put back after it
        held.write(lease="", message=f"{waiting} to put things back")
        return
    except Exception as error:
        log.exception("job %s could not put everything back", held.job.pk)
        held.write(message=f"not everything could be put back: {error}")
    held.write(tidying=False)
    announcing.announce("job", held.job.pk)


def _take_over_tidying(job: Job) -> None:
    """Goes on with the tidying of a worker that died."""
    lease = uuid.uuid4().hex
    owner = f"{socket.gethostname()}:{os.getpid()}"
    untidy = Job.objects.filter(pk=job.pk, tidying=True, lease="")
    if untidy.update(lease=lease, owner=owner, heartbeat_at=Now()) != 1:
        return
    held = Claim(job, lease)
    try:
        _tidy(held, kind_of(job))
    except LeaseLost as lost:
        log.warning("stopped: %s", lost)
    else:
        held.free()
