"""Signs of life of the processes behind the pages."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class PulseQuerySet(models.QuerySet["Pulse"]):
    def beat(self, name: str) -> None:
        """Notes that `name` is alive now, by the database's clock."""
        if not self.filter(name=name).update(seen=Now()):
            self.get_or_create(name=name, defaults={"seen": Now()})


class Pulse(models.Model):
    """When a worker or the beat last showed life."""

    name = models.CharField(max_length=100, unique=True)
    seen = models.DateTimeField()

    objects = PulseQuerySet.as_manager()
