"""Registries, models, tags and loaded copies in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from registry import editing, loading
from registry.admin.bases import Admin, NotAdded, ReadOnly
from registry.admin.tags import AutomaticTags, CustomTags, save_tags
from registry.models import Instance, Job, LanguageModel, Registry


@admin.register(Registry)
class RegistryAdmin(Admin[Registry]):
    list_display = ("name", "created")
    search_fields = ("name",)


@admin.register(LanguageModel)
class LanguageModelAdmin(NotAdded, Admin[LanguageModel]):
    """Models come from scans; what people may say of them is changed here, what was found is only shown."""

    list_display = (
        "name", "key", "server", "type", "size_bytes", "declared_context", "tested_context", "test_status",
        "test_verdict", "stale", "state", "missing", "last_tested",
    )  # fmt: skip
    list_display_links = ("name", "key")
    list_filter = ("test_status", "stale", "missing", "type", "state", "server", "registry")
    list_select_related = ("server",)
    search_fields = ("key", "name", "server__name")
    show_full_result_count = False
    list_per_page = 50
    editable = ("name", "description", "notes", "favourite", "pinned")
    inlines = (CustomTags, AutomaticTags)
    actions: tuple[str, ...] = ("load", "unload", "pin", "unpin")

    @admin.action(description="Load the selected models")
    def load(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        self._start(request, lambda: loading.enqueue_load(list(queryset.select_related("server"))))

    @admin.action(description="Unload the selected models")
    def unload(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        self._start(request, lambda: loading.enqueue_unload(list(queryset)))

    @admin.action(description="Keep the selected models in memory")
    def pin(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        editing.set_pinned(queryset.select_related("registry"), on=True)

    @admin.action(description="No longer keep the selected models in memory")
    def unpin(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        editing.set_pinned(queryset.select_related("registry"), on=False)

    def _start(self, request: HttpRequest, enqueue: Callable[[], Job]) -> None:
        try:
            job = enqueue()
        except ValueError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            done = f"Job {job.pk}, {job.get_kind_display()} of {job.title}; Jobs shows how it goes."
            self.message_user(request, done, messages.INFO)

    def get_readonly_fields(self, request: HttpRequest, obj: LanguageModel | None = None) -> Any:
        return [field.name for field in LanguageModel._meta.fields if field.name not in self.editable]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        save_tags(form.instance, formset)


@admin.register(Instance)
class InstanceAdmin(ReadOnly, Admin[Instance]):
    list_display = (
        "instance_id",
        "model",
        "server",
        "context_length",
        "loaded_by",
        "drift",
        "memory_bytes",
        "first_seen",
    )
    list_filter = ("loaded_by", "server")
    list_select_related = ("model", "server")
    search_fields = ("instance_id", "model__key")
