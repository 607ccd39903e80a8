"""One loaded copy of a model, as the last look at its server showed it."""

from __future__ import annotations

from django.db import models

from registry.models.language_model import LanguageModel
from registry.models.server import Server


class Instance(models.Model):
    """A loaded copy: its context length is the one really in force."""

    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="instances")
    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="instances")
    instance_id = models.CharField(max_length=600)
    context_length = models.IntegerField(null=True, blank=True)
    options = models.JSONField(default=dict, blank=True)
    first_seen = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["instance_id"]
        constraints = [
            models.UniqueConstraint(fields=["model", "instance_id"], name="instance_unique"),
        ]

    def __str__(self) -> str:
        return self.instance_id
