"""Runs jobs: claim, show life, cancel, end, resume.

A claimed job is a `Claim`: every write goes through its lease, so a worker that lost the lease (it hung, it was
cut off) can change nothing more. One try/except, in `running`, turns what happened into the job's end.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from registry import announcing, dispatching, supervising
from registry.models import Job, Server
from registry.models.job import JobStatus

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Somebody asked for the end of this job."""


class LeaseLost(Exception):
    """Another worker holds the job now: stop without writing anything."""


class Waiting(Exception):
    """The server is busy with another experiment; the job goes back to the queue."""

    def __init__(self, server: Server) -> None:
        super().__init__(f"waiting for {server.name}")
        self.server = server


class JobFailed(Exception):
    """The work could not be done; the text says what happened and what to try."""


@dataclass
class Claim:
    """A job held under a lease by this thread."""

    job: Job
    lease: str
    server: Server | None = None  # reserved for this job's experiment
    heed_cancel: bool = True
    _beat_at: float = field(default=0.0, repr=False)
    _said_at: float = field(default=0.0, repr=False)

    def check(self) -> None:
        """Shows life when it is due; raises Cancelled or LeaseLost. Cheap: call it in every loop."""
        if time.monotonic() - self._beat_at >= settings.HEARTBEAT_SECONDS:
            self.write()
            if self.server is not None and not self.server.take_for(self.job):
                raise LeaseLost(f"{self.server.name} is reserved for another job")
        elif not Job.objects.leased(self.lease).filter(pk=self.job.pk).exists():
            raise LeaseLost(f"job {self.job.pk} is held by another worker")
        if self.heed_cancel and Job.objects.filter(pk=self.job.pk, cancel_requested=True).exists():
            raise Cancelled

    def write(self, **fields: Any) -> None:
        """Writes `fields` and a heartbeat to the job row, or raises LeaseLost."""
        held = Job.objects.leased(self.lease).filter(pk=self.job.pk)
        if held.update(heartbeat_at=Now(), **fields) != 1:
            raise LeaseLost(f"job {self.job.pk} is held by another worker")
        self._beat_at = time.monotonic()

    def say(self, progress: float | None = None, message: str | None = None, *, often: bool = False) -> None:
        """Tells how far the work is (0..1) and what it does now; `often` keeps at most two writes a second."""
        if often and time.monotonic() - self._said_at < 0.5:
            return
        fields: dict[str, Any] = {}
        if progress is not None:
            fields["progress"] = min(max(progress, 0.0), 1.0)
        if message is not None:
            fields["message"] = message
        self.write(**fields)
        self._said_at = time.monotonic()
        announcing.announce("job", self.job.pk)

    def pause(self, seconds: float) -> None:
        """Sleeps and goes on showing life."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            self.check()

    @contextmanager
    def fence(self) -> Iterator[None]:
        """A transaction that commits only while the lease holds; a finished item also resets the attempts."""
        with transaction.atomic():
            self.write(attempt=1)
            yield
        announcing.announce("job", self.job.pk)

    def reserve(self, server: Server) -> None:
        """Takes the server for this job's experiment or raises Waiting."""
        if not server.take_for(self.job):
            raise Waiting(server)
        self.server = server

    def free(self) -> None:
        """Gives the server back and sends the job that waits for it."""
        if self.server is not None:
            self.server.release_from(self.job)
            send_next(self.server)
            self.server = None


@dataclass(frozen=True)
class Kind:
    """What a kind of job does, and how it puts things back after a cancel or a failure."""

    run: Callable[[Claim], None]
    tidy: Callable[[Claim], None] | None = None


KINDS: dict[str, Kind] = {}


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
        waiting_for=None,
        message="starting",
    )
    if taken != 1:
        return None
    Job.objects.filter(pk=job.pk, started=None).update(started=Now())
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
    kind = KINDS[held.job.kind]
    with running(held, kind):
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
        _tidy(held, KINDS[job.kind])
    except LeaseLost as lost:
        log.warning("stopped: %s", lost)
    else:
        held.free()


def send_next(server: Server) -> None:
    """Sends the job that has waited longest for `server`."""
    waiting = Job.objects.filter(status=JobStatus.QUEUED, waiting_for=server).order_by("pk").first()
    if waiting is not None:
        dispatching.send(waiting.pk)
