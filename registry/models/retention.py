"""How long rows are kept that only grow."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models


class Retention(models.Model):
    """Days to keep each kind of row, empty for ever; one row for the whole of LMStrix."""

    state_change_days = models.IntegerField(null=True, blank=True, default=365, validators=[MinValueValidator(1)])
    job_days = models.IntegerField(null=True, blank=True, default=180, validators=[MinValueValidator(1)])
    record_days = models.IntegerField(
        null=True, blank=True, default=None, validators=[MinValueValidator(1)], help_text="their sums stay"
    )
    delivery_days = models.IntegerField(null=True, blank=True, default=30, validators=[MinValueValidator(1)])

    class Meta:
        verbose_name_plural = "retention"
        constraints = [models.UniqueConstraint(models.Value(1), name="one_retention")]

    def __str__(self) -> str:
        return "retention"
