"""Tags in the admin: those of people are added and taken off by the verbs, those of rules are only shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from registry import tagging
from registry.admin.bases import Admin, Form, Inline, ReadOnly
from registry.admin.refusing import SaysRefusals
from registry.models import LanguageModel, Tag
from registry.models.tag import Family
from registry.naming import checked_tag, same


class TagForm(Form[Tag]):
    """A custom tag for a model."""

    class Meta:
        model = Tag
        fields = ("name",)

    def clean_name(self) -> str:
        try:
            return checked_tag(self.cleaned_data["name"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class CustomTags(Inline[Tag, LanguageModel]):
    """The tags of people on the page of their model."""

    model = Tag
    form = TagForm
    verbose_name_plural = "tags of yours"
    fields = ("name",)
    extra = 1

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).filter(family=Family.CUSTOM)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AutomaticTags(ReadOnly, Inline[Tag, LanguageModel]):
    """The tags that follow from facts, each with its reason."""

    model = Tag
    verbose_name_plural = "tags that follow from facts"
    fields = ("name", "family", "reason")
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).exclude(family=Family.CUSTOM)


def save_tags(model: LanguageModel, formset: Any) -> None:
    """What was added and ticked for deletion in `CustomTags`."""
    formset.save(commit=False)
    formset.new_objects = formset.changed_objects = []
    if names := [form.instance.name for form in formset.deleted_forms if form.instance.pk]:
        tagging.remove_tags([model], names)
    fresh = [form for form in formset.extra_forms if form.has_changed() and form not in formset.deleted_forms]
    if names := [form.cleaned_data["name"] for form in fresh]:
        tagging.add_tags([model], names)


@admin.register(Tag)
class TagAdmin(SaysRefusals, Admin[Tag]):
    """All tags of all models."""

    form = TagForm
    list_display = ("name", "model", "family", "reason")
    list_filter = ("family", "model__registry")
    list_select_related = ("model",)
    search_fields = ("name", "model__key")
    autocomplete_fields = ("model",)
    fields = ("model", "name")
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Tag | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Tag | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.custom)

    def save_model(self, request: HttpRequest, obj: Tag, form: Any, change: bool) -> None:
        tagging.add_tags([obj.model], [obj.name])
        obj.pk = next(tag.pk for tag in obj.model.tags.custom() if same(tag.name) == same(obj.name))

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        tagging.remove_tags([obj.model], [obj.name])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Tag]) -> None:
        for tag in queryset.filter(family=Family.CUSTOM).select_related("model"):
            tagging.remove_tags([tag.model], [tag.name])
