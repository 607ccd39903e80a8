"""Profiles in the admin, by the same form and verbs as on the pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from registry import profiling
from registry.admin.bases import Admin, Form
from registry.admin.refusing import SaysRefusals
from registry.forms.profiles import ProfileFields
from registry.models import Profile

FIELDS = tuple(ProfileFields.base_fields)


class ProfileAdminForm(ProfileFields, Form[Profile]):
    """The fields of the page's form on a row of the table."""

    class Meta:
        model = Profile
        fields = ("registry", *FIELDS)


@admin.register(Profile)
class ProfileAdmin(SaysRefusals, Admin[Profile]):
    """Profiles; the model that one means now stands on its page."""

    form = ProfileAdminForm
    list_display = ("name", "registry", "max_context", "min_tested_context", "min_tokens_per_second", "updated")
    list_filter = ("registry",)
    list_select_related = ("registry",)
    search_fields = ("name", "description")
    fields = ("registry", *FIELDS, "created", "updated")
    readonly_fields = ("created", "updated")

    def get_readonly_fields(self, request: HttpRequest, obj: Profile | None = None) -> Any:
        return (*self.readonly_fields, "registry") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Profile, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in FIELDS}
        if not change:
            profiling.refuse_taken(obj.registry, obj.name)
        obj.pk = profiling.save_profile(obj.registry, profile=obj if change else None, **fields).pk

    def delete_model(self, request: HttpRequest, obj: Profile) -> None:
        profiling.delete_profile(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> None:
        for profile in queryset.select_related("registry"):
            profiling.delete_profile(profile)
