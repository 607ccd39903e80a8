"""Cancels, retries and revives jobs, and sums up families of them."""

import os
import socket
from datetime import timedelta
from typing import Any

import psutil
from django.db.models import Avg, Count, Q
from django.db.models.functions import Now

from registry import announcing, dispatching, notifying
from registry.models import Job
from registry.models.job import MAX_ATTEMPTS, JobStatus, Runner, stale_before

RESEND = 200  # queued jobs sent again in one round


def cancel(job: Job) -> None:
    """Asks for the end of a job and its children; what has not started ends at once."""
    family = Job.objects.open().filter(Q(pk=job.pk) | Q(parent=job.pk))
    family.update(cancel_requested=True)
    queued = Job.objects.filter(Q(pk=job.pk) | Q(parent=job.pk), status=JobStatus.QUEUED)
    end: dict[str, Any] = {"status": JobStatus.CANCELLED, "ended": Now()}
    queued.filter(started=None).update(message="cancelled before it started", **end)
    # one that was queued again after its worker died may have set things aside
    begun = list(queued.values_list("pk", flat=True))
    queued.filter(pk__in=begun).update(message="cancelled", tidying=True, **end)
    for job_id in begun:
        dispatching.send(job_id)
    announcing.announce("job", job.pk)
    settle(job.pk if job.children.exists() else job.parent_id)


def retry(job: Job) -> bool:
    """Queues a failed or cancelled job again; what it had finished counts. False when it cannot be retried."""
    if job.children.exists():
        again = [retry(child) for child in job.children.all()]
        return any(again)
    over = Job.objects.filter(pk=job.pk, tidying=False, status__in=[JobStatus.FAILED, JobStatus.CANCELLED])
    queued = over.update(
        status=JobStatus.QUEUED, error="", message="waiting for a worker", attempt=0, progress=0,
        cancel_requested=False, started=None, ended=None, lease="", runner=Runner.WORKER,
    )  # fmt: skip
    if queued:
        _reopen(job.parent_id)
        dispatching.send(job.pk)
        announcing.announce("job", job.pk)
    return bool(queued)


def _reopen(parent_id: int | None) -> None:
    """A parent runs again when one of its children does."""
    if parent_id is not None:
        fields = {"status": JobStatus.RUNNING, "cancel_requested": False, "ended": None, "error": ""}
        Job.objects.filter(pk=parent_id).update(**fields)
        settle(parent_id)


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
    lost = [(job, Job.objects.lost()) for job in Job.objects.lost()]
    orphans = [(job, Job.objects.leased(job.lease)) for job in _orphans_of_this_host()]
    for job, still in lost + orphans:
        # asked again in the condition: if its holder shows life after all, nothing happens
        loss = _after_loss(job)
        if still.filter(pk=job.pk, lease=job.lease).update(lease="", **loss):
            announcing.announce("job", job.pk)
            if loss.get("status") == JobStatus.FAILED:
                notifying.job_failed(job, loss["error"])
            settle(job.parent_id)
            sent.add(job.pk)
    _end_abandoned()
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


def _end_abandoned() -> None:
    """Ends what a command had queued for itself when none of the command's jobs has shown life for too long."""
    alive = Job.objects.filter(heartbeat_at__gte=stale_before()).values("owner")
    queued = Job.objects.filter(status=JobStatus.QUEUED, runner=Runner.COMMAND, created__lt=stale_before())
    for job in queued.exclude(owner__in=alive):
        fields = {"status": JobStatus.FAILED, "error": "the command ended", "ended": Now()}
        if Job.objects.filter(pk=job.pk, status=JobStatus.QUEUED).update(tidying=job.started is not None, **fields):
            announcing.announce("job", job.pk)
            notifying.job_failed(job, "the command ended")
            settle(job.parent_id)


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
