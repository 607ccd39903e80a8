"""One loaded copy of a model, as the last look at its server showed it."""

from __future__ import annotations

from django.db import models

from registry.models.language_model import LanguageModel
from registry.models.server import Server


class LoadedBy(models.TextChoices):
    """Who loaded a copy."""

    US = "us", "a person or program, through LMStrix"
    GATEWAY = "gateway", "the gateway, on demand"
    EXPERIMENT = "experiment", "a context test or benchmark"
    OTHERS = "others", "somebody else"


class Instance(models.Model):
    """A loaded copy: its context length is the one really in force."""

    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="instances")
    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="instances")
    instance_id = models.CharField(max_length=600)
    context_length = models.IntegerField(null=True, blank=True)
    options = models.JSONField(default=dict, blank=True)
    first_seen = models.DateTimeField(auto_now_add=True)

    # the ledger: what was asked for, beside what is in force
    loaded_by = models.CharField(max_length=10, choices=LoadedBy, default=LoadedBy.OTHERS)
    asked = models.JSONField(default=dict, blank=True, help_text="context_length and options that were asked for")
    drift = models.CharField(max_length=500, blank=True, default="", help_text="how it differs from what was asked")
    memory_bytes = models.BigIntegerField(null=True, blank=True, help_text="measured when it was loaded")
    last_used = models.DateTimeField(null=True, blank=True, help_text="last request through LMStrix")
    draining = models.DateTimeField(null=True, blank=True, help_text="since then it gets no more requests")

    class Meta:
        ordering = ["instance_id"]
        constraints = [
            models.UniqueConstraint(fields=["model", "instance_id"], name="instance_unique"),
        ]

    def __str__(self) -> str:
        return self.instance_id
