"""A job held under a lease: how its holder shows life, tells how far it is, and writes safely."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from registry import announcing, dispatching
from registry.models import Job, Server
from registry.models.job import JobStatus, Runner


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
    _renewed_at: float = field(default=0.0, repr=False)
    _said_at: float = field(default=0.0, repr=False)

    def check(self) -> None:
        """Shows life when it is due; raises Cancelled or LeaseLost. Cheap: call it in every loop."""
        if time.monotonic() - self._beat_at >= settings.HEARTBEAT_SECONDS:
            self.write()
        held = Job.objects.leased(self.lease).filter(pk=self.job.pk).values_list("cancel_requested", flat=True).first()
        if held is None:
            raise LeaseLost(f"job {self.job.pk} is held by another worker")
        if held and self.heed_cancel:
            raise Cancelled

    def write(self, **fields: Any) -> None:
        """Writes `fields` and a heartbeat to the job row, or raises LeaseLost."""
        held = Job.objects.leased(self.lease).filter(pk=self.job.pk)
        if held.update(heartbeat_at=Now(), **fields) != 1:
            raise LeaseLost(f"job {self.job.pk} is held by another worker")
        self._beat_at = time.monotonic()
        if self._beat_at - self._renewed_at >= settings.HEARTBEAT_SECONDS:
            self._renew()

    def _renew(self) -> None:
        """Keeps the server reserved; every write may come here, since any write counts as a sign of life."""
        if self.server is not None and not self.server.take_for(self.job):
            raise LeaseLost(f"{self.server.name} is reserved for another job")
        self._renewed_at = time.monotonic()

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
    def fence(self, *, finished: bool = False) -> Iterator[None]:
        """A transaction that commits only while the lease holds; a `finished` item resets the attempts."""
        with transaction.atomic():
            self.write(**({"attempt": 1} if finished else {}))
            yield
            if time.monotonic() - self._beat_at >= settings.HEARTBEAT_SECONDS:
                self.write()  # a long one must not look dead the moment it commits
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


def send_next(server: Server) -> None:
    """Sends the job that has waited longest for `server`; a command looks for itself."""
    queued = Job.objects.filter(status=JobStatus.QUEUED, runner=Runner.WORKER, waiting_for=server)
    waiting = queued.order_by("pk").first()
    if waiting is not None:
        dispatching.send(waiting.pk)
