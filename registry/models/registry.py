"""A registry: a named set of models with their tags, groups, profiles and snapshots."""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.utils import timezone

DEFAULT = "default"


class RegistryQuerySet(models.QuerySet["Registry"]):
    def default(self) -> Registry:
        return self.get_or_create(name=DEFAULT)[0]


class Registry(models.Model):
    """A named set of models; one that is bound to a file is named by the file's path."""

    name = models.CharField(max_length=1000, unique=True)
    path = models.CharField(max_length=1000, blank=True, default="", help_text="the file it is bound to; empty: none")
    file_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    file_version = models.BigIntegerField(null=True, editable=False, help_text="the version that the file holds")
    extra = models.JSONField(default=dict, blank=True, help_text="fields of a foreign file that are written back")
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(default=timezone.now, help_text="when anything in it changed last")
    version = models.BigIntegerField(default=0, help_text="counts the changes; a plan made for another one is void")
    last_scan = models.DateTimeField(null=True, blank=True)

    objects = RegistryQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "registries"

    def __str__(self) -> str:
        return self.name

    def touch(self) -> None:
        """Notes that something in it changed: every verb that writes models, tags, groups or profiles calls this."""
        Registry.objects.filter(pk=self.pk).update(updated=timezone.now(), version=F("version") + 1)
