"""Servers and their scans in the admin."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from registry import connecting, scanning
from registry.admin.bases import Admin, Form, ReadOnly
from registry.forms.fields import BytesField
from registry.lmstudio import normalize_base_url
from registry.models import Scan, Server, User


class ServerAdminForm(Form[Server]):
    """A server; its token goes in and never comes out."""

    memory_limit_bytes = BytesField(
        label="Memory for models", required=False, help_text="24 GB, 512 MiB; empty: unknown"
    )
    poll_seconds = forms.IntegerField(
        required=False,
        initial=connecting.POLL_SECONDS,
        min_value=connecting.POLL_RANGE[0],
        max_value=connecting.POLL_RANGE[1],
        help_text="Seconds between looks at what is loaded there; empty: as it is",
    )
    token = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown again. Empty: keep the stored one.",
    )
    forget_token = forms.BooleanField(required=False, label="Forget the stored token")

    class Meta:
        model = Server
        fields = ("name", "base_url", "enabled", "memory_limit_bytes", "poll_seconds")

    def clean_base_url(self) -> str:
        try:
            address = normalize_base_url(self.cleaned_data["base_url"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        self.moved = bool(self.instance.pk) and address != self.initial.get("base_url")
        return address

    def clean_poll_seconds(self) -> int:
        return self.cleaned_data["poll_seconds"] or self.instance.poll_seconds

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        known = self.instance.has_token and not cleaned.get("token") and not cleaned.get("forget_token")
        if known and getattr(self, "moved", False):
            self.add_error("token", "The address changed: enter the token for it again, or forget the stored one.")
        return cleaned


@admin.register(Server)
class ServerAdmin(Admin[Server]):
    """Servers; saved and deleted by the same verbs as on the pages."""

    form = ServerAdminForm
    list_display = ("name", "base_url", "enabled", "reachable", "version", "stored_token", "last_scan", "error")
    list_filter = ("enabled", "reachable")
    list_select_related = ("experiment",)
    search_fields = ("name", "base_url")
    readonly_fields = (
        "stored_token", "reachable", "version", "error", "last_scan", "last_seen", "guardrail_seen",
        "estimate_correction", "experiment",
    )  # fmt: skip
    fields = (
        "name", "base_url", "enabled", "memory_limit_bytes", "poll_seconds", "stored_token", "token", "forget_token",
        *readonly_fields[1:],
    )  # fmt: skip
    actions = ("scan",)

    @admin.display(boolean=True, description="token stored")
    def stored_token(self, server: Server) -> bool:
        return server.has_token

    @admin.action(description="Scan the selected servers")
    def scan(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        servers = list(queryset.filter(enabled=True))
        for server in servers:
            scanning.enqueue(server, door="admin", asked_by=cast(User, request.user))
        self.message_user(request, f"Scanning {len(servers)} enabled servers; Jobs shows how it goes.", messages.INFO)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except ValueError as refusal:  # the verb's last word, after the form's own checks
            messages.error(request, str(refusal))
            return redirect(request.path)

    def save_model(self, request: HttpRequest, obj: Server, form: Any, change: bool) -> None:
        cleaned = form.cleaned_data
        fields = {name: cleaned[name] for name in ServerAdminForm.Meta.fields}
        if cleaned["token"] or cleaned["forget_token"]:
            fields["token"] = cleaned["token"]
        connecting.edit_server(obj, **fields)

    def delete_model(self, request: HttpRequest, obj: Server) -> None:
        connecting.delete_server(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Server | None = None) -> bool:
        """One at a time, and not while a test runs there."""
        return obj is not None and not (obj.experiment is not None and obj.experiment.is_open)


@admin.register(Scan)
class ScanAdmin(ReadOnly, Admin[Scan]):
    list_display = ("created", "server", "api", "found", "preserved", "ping_seconds", "duration_seconds", "error")
    list_filter = ("server", "api")
    list_select_related = ("server",)
    search_fields = ("server__name", "error")
    date_hierarchy = "created"
