"""Cancels, retries and revives jobs, and sums up families of them."""

import os
import socket
from datetime import timedelta
from typing import Any

import psutil
from django.db.models import Avg, Count, Q
from django.db.models.functions import Now

from registry import announcing, dispatching
from registry.models import Job
from registry.models.job import MAX_ATTEMPTS, JobStatus, Runner

RESEND = 200  # queued jobs sent again in one round


def cancel(job: Job) -> None:
    """Asks for the end of a job and its children; what has not started ends at once."""
    family = Job.objects.open().filter(Q(pk=job.pk) | Q(parent=job.pk))
    family.update(cancel_requested=True)
    waiting = Job.objects.filter(Q(pk=job.pk) | Q(parent=job.pk), status=JobStatus.QUEUED)
    waiting.update(status=JobStatus.CANCELLED, message="cancelled before it started", ended=Now())
    announcing.announce("job", job.pk)
    settle(job.pk if job.children.exists() else job.parent_id)


def retry(job: Job) -> bool:
    """Queues a failed or cancelled job again; what it had finished counts. False when it cannot be retried."""
    over = Job.objects.filter(pk=job.pk, tidying=False, status__in=[JobStatus.FAILED, JobStatus.CANCELLED])
    if job.children.exists():
        return _retry_children(job)
    queued = over.update(
        status=JobStatus.QUEUED, error="", message="waiting for a worker", attempt=0, progress=0,
        cancel_requested=False, ended=None, lease="", runner=Runner.WORKER,
    )  # fmt: skip
    if queued:
        dispatching.send(job.pk)
        announcing.announce("job", job.pk)
    return bool(queued)


def _retry_children(parent: Job) -> bool:
    Job.objects.filter(pk=parent.pk).update(status=JobStatus.RUNNING, cancel_requested=False, ended=None, error="")
    again = [retry(child) for child in parent.children.all()]
    settle(parent.pk)
    return any(again)


def settle(parent_id: int | None) -> None:
    """Sums up a parent from its children: it ends when the last of them has ended."""
    if parent_id is None:
        return
    ended = Q(status__in=[JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED])
    sums = Job.objects.filter(parent=parent_id).aggregate(
        all=Count("pk"),
        ended=Count("pk", filter=ended),
        failed=Count("pk", filter=Q(status=JobStatus.FAILED)),
        cancelled=Count("pk", filter=Q(status=JobStatus.CANCELLED)),
        progress=Avg("progress", default=0.0),
    )
    message = f"{sums['ended']} of {sums['all']} done"
    message += f", {sums['failed']} failed" if sums["failed"] else ""
    message += f", {sums['cancelled']} cancelled" if sums["cancelled"] else ""
    fields: dict[str, Any] = {"message": message, "progress": sums["progress"]}
    if sums["ended"] == sums["all"]:
        status = JobStatus.SUCCEEDED
        status = JobStatus.CANCELLED if sums["cancelled"] else status
        status = JobStatus.FAILED if sums["failed"] else status
        fields |= {"status": status, "ended": Now(), "progress": 1.0}
    Job.objects.filter(pk=parent_id, status=JobStatus.RUNNING).update(**fields)
    announcing.announce("job", parent_id)


def reconcile() -> int:
    """Revives jobs whose worker died and sends queued ones that the broker lost; gives how many were sent."""
    sent = set()
    for job in [*Job.objects.lost(), *_orphans_of_this_host()]:
        # the lease in the condition: if its holder shows life after all, nothing happens
        if Job.objects.leased(job.lease).filter(pk=job.pk).update(lease="", **_after_loss(job)):
            announcing.announce("job", job.pk)
            settle(job.parent_id)
            sent.add(job.pk)
    sent |= set(_unsent())
    for job_id in sorted(sent):
        dispatching.send(job_id)
    for parent in Job.objects.running().filter(lease="", children__isnull=False).distinct():
        settle(parent.pk)
    return len(sent)


def _after_loss(job: Job) -> dict[str, Any]:
    if job.tidying:
        return {}
    end = {"ended": Now(), "tidying": True}
    if job.cancel_requested:
        return {"status": JobStatus.CANCELLED, "message": "cancelled", **end}
    if job.runner == Runner.COMMAND:
        return {"status": JobStatus.FAILED, "error": "the command ended", **end}
    if job.attempt >= MAX_ATTEMPTS:
        error = f"worker lost {job.attempt} times without progress; the worker's log says why"
        return {"status": JobStatus.FAILED, "error": error, **end}
    return {"status": JobStatus.QUEUED, "message": "its worker was lost; going on where it stopped"}


def _orphans_of_this_host() -> list[Job]:
    """Jobs held by a process of this host that is gone: no need to wait for their heartbeat to age."""
    host = socket.gethostname()
    held = Job.objects.filter(Q(status=JobStatus.RUNNING) | Q(tidying=True), owner__startswith=f"{host}:")
    return [job for job in held.exclude(lease="") if not _alive(int(job.owner.rpartition(":")[2]))]


def _alive(pid: int) -> bool:
    return pid == os.getpid() or psutil.pid_exists(pid)


def _unsent() -> list[int]:
    """Queued jobs that no worker took, and ended ones whose tidying nobody does."""
    old = Now() - timedelta(seconds=5)
    free = Q(waiting_for=None) | Q(waiting_for__experiment=None) | Q(waiting_for__experiment_until__lt=Now())
    queued = Job.objects.filter(free, status=JobStatus.QUEUED, runner=Runner.WORKER, created__lt=old)
    untidy = Job.objects.filter(tidying=True, lease="")
    return [
        *queued.order_by("pk").values_list("pk", flat=True)[:RESEND],
        *untidy.values_list("pk", flat=True)[:RESEND],
    ]
