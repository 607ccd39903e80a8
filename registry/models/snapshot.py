"""Backups of whole registries."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from registry.models.registry import Registry


class Origin(models.TextChoices):
    """Why a snapshot was taken."""

    BY_HAND = "by hand", "by hand"
    DAILY = "daily", "daily"
    SAFETY = "safety", "before a change"
    UPLOAD = "upload", "uploaded"


class Snapshot(models.Model):
    """One registry as one canonical JSON document, gzipped in the data directory; this row says what it is."""

    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="snapshots")
    name = models.CharField(max_length=200)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.BY_HAND)
    note = models.CharField(max_length=300, blank=True, default="", help_text="what it was taken before, or from where")
    file = models.CharField(max_length=100, editable=False, help_text="name below the snapshots' directory, ours only")
    sha256 = models.CharField(max_length=64, help_text="of the document, not of the gzip file")
    size_bytes = models.BigIntegerField(help_text="of the gzip file")
    model_count = models.IntegerField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created", "-pk"]
        constraints = [models.UniqueConstraint(fields=["registry", "name"], name="snapshot_unique")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("snapshot", args=[self.pk])
