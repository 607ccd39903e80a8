"""Jobs and signs of life in the admin."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from registry import supervising
from registry.admin.bases import Admin, ReadOnly
from registry.models import Job, Pulse


@admin.register(Job)
class JobAdmin(ReadOnly, Admin[Job]):
    """Jobs are looked at, cancelled and tried again; nobody edits how they went."""

    list_display = ("pk", "kind", "title", "status", "percent", "message", "error", "asked_by", "created", "ended")
    list_display_links = ("pk", "kind", "title")
    list_filter = ("status", "kind", "runner", "door")
    list_select_related = ("asked_by",)
    search_fields = ("title", "message", "error")
    date_hierarchy = "created"
    exclude = ("lease", "params")
    actions = ("cancel", "retry")

    @admin.display(description="progress", ordering="progress")
    def percent(self, job: Job) -> str:
        return f"{job.progress:.0%}"

    @admin.action(description="Cancel the selected jobs")
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        jobs = [job for job in queryset if job.is_open]
        for job in jobs:
            supervising.cancel(job)
        self.message_user(request, f"Cancel asked for {len(jobs)} open jobs.", messages.INFO)

    @admin.action(description="Try the selected jobs again")
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        again = [job for job in queryset if supervising.retry(job)]
        self.message_user(request, f"{len(again)} failed or cancelled jobs queued again.", messages.INFO)


@admin.register(Pulse)
class PulseAdmin(ReadOnly, Admin[Pulse]):
    list_display = ("name", "seen")
