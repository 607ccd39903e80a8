"""How a piece of work is going."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from registry.models.server import Server

MAX_ATTEMPTS = 3


class JobStatus(models.TextChoices):
    """queued -> running -> succeeded | failed | cancelled; running -> queued when its worker died."""

    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)


class Runner(models.TextChoices):
    """Who does the work: a worker, or the command that asked for it."""

    WORKER = "worker", "worker"
    COMMAND = "command", "command"


def stale_before() -> Any:
    """The database's time before which a heartbeat counts as lost."""
    return Now() - timedelta(seconds=settings.STALE_SECONDS)


class JobQuerySet(models.QuerySet["Job"]):
    def open(self) -> JobQuerySet:
        return self.filter(status__in=OPEN)

    def running(self) -> JobQuerySet:
        return self.filter(status=JobStatus.RUNNING)

    def leased(self, lease: str) -> JobQuerySet:
        """Jobs still held under `lease`: running, or finished and putting things back."""
        return self.filter(Q(status=JobStatus.RUNNING) | Q(tidying=True), lease=lease)

    def lost(self) -> JobQuerySet:
        """Running (or tidying) jobs whose holder has shown no life for too long."""
        alive = Q(status=JobStatus.RUNNING) | Q(tidying=True)
        return self.filter(alive, heartbeat_at__lt=stale_before()).exclude(lease="")

    def for_list(self) -> JobQuerySet:
        return self.select_related("asked_by", "parent", "waiting_for").annotate(
            children_count=models.Count("children")
        )


class Job(models.Model):
    """A piece of work; this row is the truth, Celery only carries its id.

    queued -> running      one conditional UPDATE (claim)
    running -> succeeded | failed | cancelled      by the holder of the lease
    running -> queued      by the reconciler, when the holder stopped showing life
    `tidying`: it has ended, but what it had set aside is still being put back.
    """

    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=700, blank=True, default="")
    status = models.CharField(max_length=10, choices=JobStatus, default=JobStatus.QUEUED)
    progress = models.FloatField(default=0.0)
    message = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="")
    params = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True, help_text="what came of it, where no table holds that")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="children")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    door = models.CharField(max_length=20, blank=True, default="", help_text="page, rest, admin, command, ...")
    runner = models.CharField(max_length=10, choices=Runner, default=Runner.WORKER)
    waiting_for = models.ForeignKey(
        Server, null=True, blank=True, on_delete=models.SET_NULL, related_name="waiting_jobs"
    )
    attempt = models.IntegerField(default=0, help_text="runs without a finished item in between")
    lease = models.CharField(max_length=64, blank=True, default="", editable=False)
    owner = models.CharField(max_length=200, blank=True, default="", editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancel_requested = models.BooleanField(default=False)
    tidying = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["status", "heartbeat_at"])]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("job", args=[self.pk])

    def get_kind_display(self) -> str:
        return self.kind.replace("_", " ")

    @property
    def asker(self) -> str:
        """Who asked for it, by the name at that time: a person, or a program's token; empty when nobody did."""
        return str(self.params.get("who") or self.asked_by or "")

    @property
    def is_open(self) -> bool:
        return self.status in OPEN
