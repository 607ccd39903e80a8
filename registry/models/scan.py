"""One look at what a server offers."""

from __future__ import annotations

from django.db import models

from registry.models.job import Job
from registry.models.registry import Registry
from registry.models.server import Server


class Scan(models.Model):
    """What one scan of one server found; how it went is its Job."""

    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="scan")
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="scans")
    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="scans")
    created = models.DateTimeField(auto_now_add=True)
    ping_seconds = models.FloatField(null=True, blank=True)
    duration_seconds = models.FloatField(null=True, blank=True)
    api = models.CharField(max_length=2, blank=True, default="", help_text="v1, or v0 of older servers")
    found = models.IntegerField(default=0)
    added = models.JSONField(default=list, blank=True)
    changed = models.JSONField(default=list, blank=True)
    missing = models.JSONField(default=list, blank=True)
    preserved = models.IntegerField(default=0, help_text="models whose test results were kept")
    rejected = models.JSONField(default=list, blank=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-created"]
        get_latest_by = "created"
