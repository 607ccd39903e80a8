"""Context tests with their probes in the admin, and the action that starts them."""

from __future__ import annotations

from typing import cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from registry.admin.bases import Admin, Inline, ReadOnly
from registry.admin.language_models import LanguageModelAdmin
from registry.models import LanguageModel, User
from testing import context_testing
from testing.models import ContextTest, Probe


class ProbeInline(ReadOnly, Inline[Probe, ContextTest]):
    model = Probe
    fields = (
        "order", "kind", "requested", "applied", "verdict", "message", "loads", "load_seconds", "answer_seconds",
        "sent_tokens", "input_tokens", "peak_memory_bytes",
    )  # fmt: skip
    extra = 0


@admin.register(ContextTest)
class ContextTestAdmin(ReadOnly, Admin[ContextTest]):
    """Context tests are evidence: read only."""

    list_display = ("pk", "model", "server", "verdict", "tested_context", "iterations", "duration", "created")
    list_display_links = ("pk", "model")
    list_filter = ("verdict", "server")
    list_select_related = ("model", "server")
    search_fields = ("model__key", "model__name", "server__name")
    date_hierarchy = "created"
    inlines = (ProbeInline,)


class LanguageModelWithTestsAdmin(LanguageModelAdmin):
    """The list of models, with the action that tests them: the registry itself knows nothing of testing."""

    actions = (*LanguageModelAdmin.actions, "start_tests")

    @admin.action(description="Test the context window of the selected models")
    def start_tests(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        models = list(queryset.select_related("server"))
        try:
            context_testing.enqueue(models, context_testing.Options(), door="admin", asked_by=cast(User, request.user))
        except ValueError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            self.message_user(request, f"Testing {len(models)}; Context tests shows how it goes.", messages.INFO)


admin.site.unregister(LanguageModel)
admin.site.register(LanguageModel, LanguageModelWithTestsAdmin)
