"""A place where models run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import SET_NULL, ForeignKey, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from registry import sealing

if TYPE_CHECKING:
    from registry.models.job import Job


class ServerQuerySet(models.QuerySet["Server"]):
    def enabled(self) -> ServerQuerySet:
        return self.filter(enabled=True)

    def named(self, name: str) -> Server | None:
        """The server with this name or base URL."""
        return self.filter(Q(name=name) | Q(base_url=name.rstrip("/"))).first()


class Server(models.Model):
    """One LM Studio, by its normalized base URL; global to all registries."""

    name = models.CharField(max_length=100, unique=True)
    base_url = models.CharField(max_length=300, unique=True)
    enabled = models.BooleanField(default=True)
    token_sealed = models.TextField(blank=True, default="", editable=False)
    memory_limit_bytes = models.BigIntegerField(
        null=True, blank=True, help_text="memory that models may take here; empty = unknown"
    )
    estimate_correction = models.FloatField(
        default=1.0, help_text="true limit / estimated limit of the last test; corrects the next estimate"
    )
    guardrail_seen = models.BooleanField(
        default=False, help_text="it has refused a load before, so trying a large one is safe"
    )
    created = models.DateTimeField(auto_now_add=True)

    # what the last scan saw
    reachable = models.BooleanField(null=True, blank=True, editable=False)
    version = models.CharField(max_length=100, blank=True, default="", editable=False)
    error = models.TextField(blank=True, default="", editable=False)
    last_scan = models.DateTimeField(null=True, blank=True, editable=False)
    last_seen = models.DateTimeField(null=True, blank=True, editable=False)

    # how often its states are looked at, and what was learned of it
    poll_seconds = models.IntegerField(
        default=10, validators=[MinValueValidator(2), MaxValueValidator(3600)], help_text="seconds between looks"
    )
    polled = models.DateTimeField(null=True, blank=True, editable=False)
    refuses_usage = models.BooleanField(
        default=False, editable=False, help_text="it refuses stream_options.include_usage"
    )

    # one load or unload at a time
    load_lease = models.CharField(max_length=32, blank=True, default="", editable=False)
    load_until = models.DateTimeField(null=True, blank=True, editable=False)
    load_what = models.CharField(max_length=600, blank=True, default="", editable=False)

    # one experiment at a time; the holder renews `experiment_until` with its heartbeat
    experiment = ForeignKey(  # not models.ForeignKey: `models` is also the name of a relation of this class
        "registry.Job", null=True, blank=True, on_delete=SET_NULL, related_name="+", editable=False
    )
    experiment_until = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ServerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("server", args=[self.pk])

    @property
    def has_token(self) -> bool:
        return bool(self.token_sealed)

    @property
    def token(self) -> str:
        """LM Studio's token in clear; raises sealing.Unreadable when it has to be entered again."""
        return sealing.unseal(self.token_sealed)

    @token.setter
    def token(self, secret: str) -> None:
        self.token_sealed = sealing.seal(secret)

    def clock(self) -> datetime:
        """What time it is for the database, which all processes share; this machine's time when the row is gone."""
        told: datetime | None = Server.objects.filter(pk=self.pk).values_list(Now(), flat=True).first()
        return told or timezone.now()

    def take_for(self, job: Job) -> bool:
        """Reserves this server for `job`'s experiment, or renews that; False when another one holds it.

        One conditional UPDATE by the database's clock: of many at once exactly one gets it.
        """
        free = Q(experiment=None) | Q(experiment=job.pk) | Q(experiment_until__lt=Now())
        until = Now() + timedelta(seconds=settings.STALE_SECONDS)
        return Server.objects.filter(free, pk=self.pk).update(experiment=job.pk, experiment_until=until) == 1

    def release_from(self, job: Job) -> None:
        Server.objects.filter(pk=self.pk, experiment=job.pk).update(experiment=None, experiment_until=None)
