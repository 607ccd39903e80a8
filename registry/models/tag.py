"""Labels on models."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower

from registry.models.language_model import LanguageModel


class Family(models.TextChoices):
    """Where a tag comes from: five families are derived from facts, custom ones belong to people."""

    ARCHITECTURE = "architecture", "architecture"
    SIZE = "size", "size"
    TYPE = "type", "type"
    CAPABILITY = "capability", "capability"
    PERFORMANCE = "performance", "performance"
    CUSTOM = "custom", "custom"


class TagQuerySet(models.QuerySet["Tag"]):
    def custom(self) -> TagQuerySet:
        return self.filter(family=Family.CUSTOM)

    def automatic(self) -> TagQuerySet:
        return self.exclude(family=Family.CUSTOM)


class Tag(models.Model):
    """A label on one model; an automatic one says by which rule and fact it was given."""

    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=100)
    family = models.CharField(max_length=12, choices=Family, default=Family.CUSTOM)
    reason = models.CharField(max_length=300, blank=True, default="", help_text="why an automatic tag was given")

    objects = TagQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["model", "name", "family"], name="tag_unique_on_model")]
        indexes = [
            models.Index(fields=["name", "model"]),
            models.Index(Lower("name"), "model", name="tag_lower_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def custom(self) -> bool:
        return self.family == Family.CUSTOM
