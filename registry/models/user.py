"""People and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models


class Role(models.TextChoices):
    """Viewer reads; operator also runs work; admin also changes servers, tokens and people."""

    VIEWER = "viewer", "viewer"
    OPERATOR = "operator", "operator"
    ADMIN = "admin", "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def covers(self, needed: Role | str) -> bool:
        """Whether this role may do what `needed` asks for."""
        return self.rank >= Role(needed).rank


class User(AbstractUser):
    """A person with one role; only admins reach Django's admin."""

    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)

    def may(self, needed: Role | str) -> bool:
        return self.is_active and Role(self.role).covers(needed)

    def save(
        self,
        *args: Any,
        update_fields: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Saves; staff and superuser follow the role, never the other way round."""
        self.is_staff = self.is_superuser = self.role == Role.ADMIN
        if update_fields is not None and "role" in update_fields:
            update_fields = {*update_fields, "is_staff", "is_superuser"}
        super().save(*args, update_fields=update_fields, **kwargs)
