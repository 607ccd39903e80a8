"""Webhooks, their messages and retention in the admin; secrets are neither shown nor typed."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from registry import delivering, pruning, subscribing
from registry.admin.bases import Admin, Form, ReadOnly
from registry.models import Delivery, Retention, User, Webhook
from registry.notifying import CHOICES


class WebhookAdminForm(Form[Webhook]):
    """The events as a list to choose from."""

    events = forms.MultipleChoiceField(
        required=False, choices=CHOICES, widget=forms.CheckboxSelectMultiple, help_text="None: all."
    )

    class Meta:
        model = Webhook
        fields = ("name", "url", "events", "enabled")

    def clean_url(self) -> str:
        try:
            return delivering.checked_address(self.cleaned_data["url"])
        except ValueError as refusal:
            raise forms.ValidationError(str(refusal)) from refusal


@admin.register(Webhook)
class WebhookAdmin(Admin[Webhook]):
    form = WebhookAdminForm
    list_display = ("name", "url", "enabled", "events", "created", "created_by")
    list_filter = ("enabled",)
    list_select_related = ("created_by",)
    search_fields = ("name", "url")

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in WebhookAdminForm.Meta.fields}
        if change:
            subscribing.edit_webhook(Webhook.objects.get(pk=obj.pk), **fields)
            return
        made, secret = subscribing.add_webhook(**fields, made_by=cast(User, request.user))
        obj.pk = made.pk
        messages.warning(request, f"Its secret, shown this once: {secret}")

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        subscribing.delete_webhook(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        for hook in queryset:
            subscribing.delete_webhook(hook)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, Admin[Delivery]):
    list_display = ("created", "webhook", "event", "status", "attempts", "http_status", "error", "delivered")
    list_filter = ("status", "event", "webhook")
    list_select_related = ("webhook",)
    date_hierarchy = "created"


@admin.register(Retention)
class RetentionAdmin(Admin[Retention]):
    list_display = ("__str__", *pruning.DAYS)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not Retention.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Retention, form: Any, change: bool) -> None:
        obj.pk = pruning.save_retention(**{name: form.cleaned_data[name] for name in pruning.DAYS}).pk
