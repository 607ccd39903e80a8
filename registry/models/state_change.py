"""What models did in memory, and why."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from registry.models.language_model import State


class Cause(models.TextChoices):
    """Who made a state change."""

    US = "us", "a person or program, through LMStrix"
    SEEN = "seen", "seen on the server"
    GATEWAY = "gateway", "the gateway"
    POLICY = "policy", "the memory policy"
    EXPERIMENT = "experiment", "a context test or benchmark"


class StateChange(models.Model):
    """One change of one model's state; rows are only ever added.

    Model and server are kept by id and by name: a row outlives both, so nothing holds on to it.
    """

    model = models.ForeignKey(
        "registry.LanguageModel", null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    server = models.ForeignKey(
        "registry.Server", null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    model_key = models.CharField(max_length=500)
    old = models.CharField(max_length=10, choices=State)
    new = models.CharField(max_length=10, choices=State)
    cause = models.CharField(max_length=10, choices=Cause)
    reason = models.CharField(max_length=500, blank=True, default="", help_text="why, in words")
    context_length = models.BigIntegerField(null=True, blank=True, help_text="tokens in force after a load")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["model", "at"]), models.Index(fields=["at"])]

    def __str__(self) -> str:
        return f"{self.model_key}: {self.old} -> {self.new}"
