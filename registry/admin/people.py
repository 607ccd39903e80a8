"""People and the tokens of programs in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from registry import admitting, auditing
from registry.admin.bases import Admin, NotAdded
from registry.models import ApiToken, User


@admin.register(User)
class PersonAdmin(Admin[User]):
    """People; nobody changes their own role or account, so the last admin cannot lock everybody out."""

    list_display = ("username", "role", "is_active", "by_password", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("username", "email")
    ordering = ("username",)
    fields = ("username", "email", "role", "is_active", "last_login", "date_joined")
    readonly_fields = ("last_login", "date_joined")

    @admin.display(boolean=True, description="has a password")
    def by_password(self, person: User) -> bool:
        return person.has_usable_password()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        own = obj is not None and obj.pk == request.user.pk
        return (*self.readonly_fields, "role", "is_active") if own else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.set_unusable_password()  # they come in by a link and may set one themselves
        super().save_model(request, obj, form, change)
        named = ", ".join(form.changed_data)
        auditing.note("edit" if change else "add", obj, summary=f"changed {named}" if change else f"as {obj.role}")

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        auditing.note("delete", obj)
        super().delete_model(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return obj is not None and obj.pk != request.user.pk


@admin.register(ApiToken)
class ApiTokenAdmin(NotAdded, Admin[ApiToken]):
    """Tokens without their secrets; new ones are issued where the secret can be shown once."""

    list_display = ("name", "role", "start", "created", "created_by", "last_used", "revoked")
    list_filter = ("role", ("revoked", admin.EmptyFieldListFilter))
    list_select_related = ("created_by",)
    search_fields = ("name", "start")
    readonly_fields = ("role", "start", "created", "created_by", "last_used", "revoked")
    fields = (
        "name",
        *readonly_fields,
        "registry",
        "requests_per_minute",
        "tokens_per_day",
        "keep_content",
        "keep_days",
    )
    actions = ("revoke",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        place = format_html('New ones are issued in <a href="{}#tokens">Settings</a>', reverse("settings"))
        return super().changelist_view(request, {"subtitle": place, **(extra_context or {})})

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        tokens = queryset.filter(revoked=None)
        for token in tokens:
            admitting.revoke_token(token)
        self.message_user(request, f"{len(tokens)} revoked.", messages.SUCCESS)
