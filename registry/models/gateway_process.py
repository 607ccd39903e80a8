"""Web processes that carry requests to models."""

from __future__ import annotations

from django.db import models


class GatewayProcess(models.Model):
    """What one web process is carrying, as it says each second while it lives.

    Nothing is unloaded under a request: who wants to unload an instance first sets its `draining`, and waits until
    every process seen lately says that it knows (`knows` has reached that moment) and has nothing in flight there.
    """

    name = models.CharField(max_length=200, unique=True, help_text="host:pid:start")
    seen = models.DateTimeField(help_text="by the database's clock")
    knows = models.DateTimeField(null=True, blank=True, help_text="it acts on what the tables said at this moment")
    in_flight = models.JSONField(default=dict, help_text="requests by instance (its key)")
    last_used = models.JSONField(default=dict, help_text="last request by instance (its key), ISO times")
    lost_records = models.BigIntegerField(default=0, help_text="requests that it could not note: its spool was full")

    class Meta:
        verbose_name_plural = "gateway processes"
