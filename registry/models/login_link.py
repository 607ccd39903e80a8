"""One-time links that sign a person in."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from registry.models.user import User

LIFETIME = timedelta(minutes=10)


def digest(secret: str) -> str:
    """What is stored of a secret of 256 random bits: its SHA-256 (nothing to guess, so no slow hash is needed)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class LoginLinkQuerySet(models.QuerySet["LoginLink"]):
    def redeem(self, key: str) -> LoginLink | None:
        """The link behind `key`, used up by this call; None when unknown, used or too old."""
        now = timezone.now()
        fresh = self.filter(digest=digest(key), used=None, expires__gt=now, user__is_active=True)
        # one conditional UPDATE: of two clicks at once only one signs in
        if fresh.update(used=now) != 1:
            return None
        return self.select_related("user").get(digest=digest(key))


class LoginLink(models.Model):
    """A link that signs `user` in once within ten minutes; only the hash of its key is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="login_links")
    digest = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True, blank=True)

    objects = LoginLinkQuerySet.as_manager()

    @classmethod
    def issue(cls, user: User) -> str:
        """A new key for `user`; it is shown once and cannot be read again."""
        cls.objects.filter(expires__lt=timezone.now() - timedelta(days=1)).delete()
        key = secrets.token_urlsafe(32)
        cls.objects.create(user=user, digest=digest(key), expires=timezone.now() + LIFETIME)
        return key
