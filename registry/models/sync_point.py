"""What two sides had in common after their last sync."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class SyncPoint(models.Model):
    """The document that two sides both had after their last sync; the base of the next three-way merge."""

    first = models.CharField(max_length=1100, help_text='a side as "registry:NAME", "file:PATH" or an address')
    second = models.CharField(max_length=1100)
    document = models.BinaryField(help_text="canonical JSON, gzipped")
    sha256 = models.CharField(max_length=64)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created"]
        constraints = [models.UniqueConstraint(fields=["first", "second"], name="sync_point_unique")]

    def __str__(self) -> str:
        return f"{self.first} and {self.second}"
