"""Who changed what, in the admin."""

from __future__ import annotations

from django.contrib import admin

from registry.admin.bases import Admin, ReadOnly
from registry.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, Admin[AuditEvent]):
    """Changes are evidence: they are only looked at."""

    list_display = ("at", "who", "door", "action", "kind", "name", "summary", "registry")
    list_display_links = ("at", "name")
    list_filter = ("action", "kind", "door", "registry")
    list_select_related = ("registry",)
    search_fields = ("name", "who", "summary")
    date_hierarchy = "at"
    show_full_result_count = False
    list_per_page = 50
