"""A registry: a named set of models with their tags, groups, profiles and snapshots."""

from __future__ import annotations

from django.db import models

DEFAULT = "default"


class RegistryQuerySet(models.QuerySet["Registry"]):
    def default(self) -> Registry:
        return self.get_or_create(name=DEFAULT)[0]


class Registry(models.Model):
    """A named set of models."""

    name = models.CharField(max_length=200, unique=True)
    created = models.DateTimeField(auto_now_add=True)

    objects = RegistryQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "registries"

    def __str__(self) -> str:
        return self.name
