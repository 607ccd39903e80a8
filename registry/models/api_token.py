"""Tokens of programs."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from registry.models.login_link import digest
from registry.models.registry import Registry
from registry.models.user import Role, User

PREFIX = "lmx_"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self) -> ApiTokenQuerySet:
        """Tokens that open something: not revoked, and not made by somebody who may not come in any more."""
        return self.filter(revoked=None).exclude(created_by__is_active=False)

    def holder(self, secret: str) -> ApiToken | None:
        """The usable token behind `secret`, its last use noted (to the minute)."""
        token = self.usable().filter(digest=digest(secret)).first()
        if token and (token.last_used is None or timezone.now() - token.last_used > timedelta(minutes=1)):
            token.last_used = timezone.now()
            token.save(update_fields=["last_used"])
        return token


class ApiToken(models.Model):
    """A program's key: 256 random bits, shown once, kept as a hash, with one role."""

    name = models.CharField(max_length=100)
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    start = models.CharField(max_length=12, editable=False, help_text="first characters, to tell tokens apart")
    # for the gateway
    registry = models.ForeignKey(
        Registry, null=True, blank=True, on_delete=models.CASCADE, help_text="where names are looked up; empty: default"
    )
    requests_per_minute = models.IntegerField(null=True, blank=True)
    tokens_per_day = models.BigIntegerField(null=True, blank=True)
    keep_content = models.BooleanField(default=False, help_text="keep prompts and answers")
    keep_days = models.IntegerField(default=7)

    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    last_used = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, name: str, role: Role | str, created_by: User | None = None) -> tuple[ApiToken, str]:
        """A new token and its secret; the secret cannot be read again."""
        secret = PREFIX + secrets.token_urlsafe(32)
        token = cls.objects.create(
            name=name, role=role, digest=digest(secret), start=secret[:10], created_by=created_by
        )
        return token, secret

    @property
    def allowed(self) -> Role:
        """Its role, or that of the person who made it where that is less by now."""
        own, maker = Role(self.role), self.created_by
        return Role(maker.role) if maker is not None and not Role(maker.role).covers(own) else own

    @property
    def gateway_note(self) -> str:
        """What is special about its use of the gateway, in a line."""
        notes = (
            f"in {self.registry}" if self.registry_id else "",
            f"{self.requests_per_minute:,} requests/min" if self.requests_per_minute else "",
            f"{self.tokens_per_day:,} tokens/day" if self.tokens_per_day else "",
            f"prompts kept for {self.keep_days:,} day{'' if self.keep_days == 1 else 's'}" if self.keep_content else "",
        )
        return ", ".join(note for note in notes if note)

    def revoke(self) -> None:
        self.revoked = timezone.now()
        self.save(update_fields=["revoked"])
