"""Groups of models, in an order."""

from __future__ import annotations

from django.db import models
from django.urls import reverse
from django.utils import timezone

from registry.models.language_model import LanguageModel
from registry.models.registry import Registry


class Group(models.Model):
    """A named, ordered set of models of one registry, on any servers."""

    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="groups")
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, default="")
    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(default=timezone.now)
    models = models.ManyToManyField(LanguageModel, through="GroupMember", related_name="groups")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["registry", "name"], name="group_unique")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("group", args=[self.pk])


class GroupMember(models.Model):
    """A model's place in a group."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="memberships")
    position = models.IntegerField(help_text="0 is first; gaps are fine")

    class Meta:
        ordering = ["position", "pk"]
        constraints = [models.UniqueConstraint(fields=["group", "model"], name="group_member_unique")]
