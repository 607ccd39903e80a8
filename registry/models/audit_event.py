"""Who changed what."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from registry.models.job import Job
from registry.models.registry import Registry


class AuditEvent(models.Model):
    """One change, never rewritten: who did what to which object, when, from which door."""

    at = models.DateTimeField(default=timezone.now)
    door = models.CharField(max_length=20, help_text="page, rest, admin, command, python, schedule")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    who = models.CharField(max_length=200, blank=True, default="", help_text="the name at that time")
    action = models.CharField(max_length=40, help_text="add, edit, delete, tag, import, restore, ...")
    registry = models.ForeignKey(Registry, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(max_length=40, help_text="what was changed: model, group, server, ...")
    object_id = models.BigIntegerField(null=True, blank=True, help_text="its key at that time")
    name = models.CharField(max_length=700, blank=True, default="", help_text="its name at that time")
    summary = models.CharField(max_length=500, blank=True, default="", help_text="the change in words")
    changes = models.JSONField(default=dict, blank=True, help_text="field: [before, after]")
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="audit_events")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["kind", "object_id"]), models.Index(fields=["registry", "id"])]

    def __str__(self) -> str:
        return f"{self.who} {self.action} {self.name}"
