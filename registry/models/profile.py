"""Profiles: which model to take for a purpose."""

from __future__ import annotations

from django.db import models
from django.urls import reverse
from django.utils import timezone

from registry.models.registry import Registry


class Profile(models.Model):
    """A purpose of one registry: preferred models first, then whatever meets the requirements."""

    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="profiles")
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, default="")
    preferred_models = models.JSONField(default=list, blank=True, help_text="ids of models, best first")
    max_context = models.BigIntegerField(null=True, blank=True, help_text="tokens that a request may take")
    temperature = models.FloatField(null=True, blank=True)

    # requirements; empty or null asks for nothing
    needs = models.JSONField(default=list, blank=True, help_text="of tools, vision, reasoning")
    min_tested_context = models.BigIntegerField(null=True, blank=True, help_text="tokens, verified")
    min_tokens_per_second = models.FloatField(null=True, blank=True)
    max_memory_bytes = models.BigIntegerField(null=True, blank=True, help_text="peak measured, else size of the file")
    tags = models.JSONField(default=list, blank=True, help_text="all of these")
    servers = models.JSONField(default=list, blank=True, help_text="names; one of these")

    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["registry", "name"], name="profile_unique")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("profile", args=[self.pk])
