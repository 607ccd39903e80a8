"""Addresses that are told what happens, and what was sent to them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Count, Max, Q
from django.urls import reverse
from django.utils import timezone

from registry import sealing


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def with_counts(self) -> WebhookQuerySet:
        """Beside each how many messages wait, arrived and failed, and when the last one arrived."""
        counts = {
            status: Count("deliveries", filter=Q(deliveries__status=status))
            for status in ("waiting", "delivered", "failed")
        }
        return self.annotate(**counts, last_delivered=Max("deliveries__delivered"))


class Webhook(models.Model):
    """An address that gets signed messages about chosen events."""

    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=500)
    secret_sealed = models.TextField(editable=False)
    events = models.JSONField(default=list, help_text="kinds of events; empty = all")
    enabled = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("settings-webhook", args=[self.pk])

    @property
    def secret(self) -> str:
        """What messages are signed with; raises sealing.Unreadable when it has to be made anew."""
        return sealing.unseal(self.secret_sealed)

    @secret.setter
    def secret(self, secret: str) -> None:
        self.secret_sealed = sealing.seal(secret)


class DeliveryStatus(models.TextChoices):
    """How far a message is."""

    WAITING = "waiting", "waiting"
    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "failed"


class Delivery(models.Model):
    """One message to one webhook, with how sending it went."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    uuid = models.UUIDField(unique=True)
    event = models.CharField(max_length=40)
    body = models.JSONField()
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.WAITING)
    attempts = models.IntegerField(default=0)
    next_try = models.DateTimeField(default=timezone.now)
    http_status = models.IntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True, default="")
    created = models.DateTimeField(default=timezone.now)
    delivered = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["status", "next_try"])]
