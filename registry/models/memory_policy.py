"""When LMStrix takes models out of memory by itself."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from registry.models.server import Server


class MemoryPolicy(models.Model):
    """The policy of one server, or (no server) the default of those without their own; off until switched on."""

    server = models.OneToOneField(Server, null=True, blank=True, on_delete=models.CASCADE, related_name="memory_policy")
    enabled = models.BooleanField(default=False)
    auto_unload_inactive = models.BooleanField(default=True)
    inactive_timeout_minutes = models.IntegerField(default=30, validators=[MinValueValidator(1)])
    memory_threshold_percent = models.IntegerField(
        null=True, blank=True, default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    max_loaded_models = models.IntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    include_others = models.BooleanField(
        default=False, help_text="also instances that others loaded; whether they are in use cannot be seen"
    )

    class Meta:
        verbose_name_plural = "memory policies"
        constraints = [
            # NULLs are distinct in a unique index, so the default needs its own
            models.UniqueConstraint(models.Value(1), condition=models.Q(server=None), name="one_default_memory_policy"),
        ]

    def __str__(self) -> str:
        return f"memory policy of {self.server}" if self.server_id else "default memory policy"
