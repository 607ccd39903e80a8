"""Labels on models."""

from django.db import models

from registry.models.registry import Registry


class Tag(models.Model):
    """A label within one registry; automatic ones are derived from facts, custom ones belong to people."""

    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=100)
    custom = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["registry", "name"], name="tag_unique")]

    def __str__(self) -> str:
        return self.name
