"""Groups in the admin, by the same verbs as on the pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from registry import grouping
from registry.admin.bases import Admin, Inline
from registry.admin.refusing import SaysRefusals
from registry.models import Group, GroupMember


class Members(Inline[GroupMember, Group]):
    """The models of a group, in its order; they are moved on its page."""

    model = GroupMember
    autocomplete_fields = ("model",)
    fields = ("model",)
    extra = 1

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroupMember]:
        return super().get_queryset(request).select_related("model")


@admin.register(Group)
class GroupAdmin(SaysRefusals, Admin[Group]):
    """Groups; models join at the end."""

    list_display = ("name", "registry", "count", "description", "updated")
    list_filter = ("registry",)
    list_select_related = ("registry",)
    search_fields = ("name", "description")
    fields = ("registry", "name", "description", "created", "updated")
    readonly_fields = ("created", "updated")
    inlines = (Members,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(count=Count("members"))

    @admin.display(description="models")
    def count(self, group: Any) -> int:
        return int(group.count)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        return (*self.readonly_fields, "registry") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        if change:
            grouping.edit_group(obj, name=form.cleaned_data["name"], description=form.cleaned_data["description"])
        else:
            obj.pk = grouping.create_group(obj.registry, obj.name, description=obj.description).pk

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        grouping.remove_from_group(form.instance, [member.model for member in formset.deleted_objects])
        grouping.add_to_group(form.instance, [member.model for member in formset.new_objects])

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        grouping.delete_group(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        for group in queryset.select_related("registry"):
            grouping.delete_group(group)
