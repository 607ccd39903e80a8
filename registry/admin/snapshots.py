"""Snapshots in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from registry import changing, snapshots
from registry.admin.bases import Admin, NotAdded
from registry.models import Snapshot


@admin.register(Snapshot)
class SnapshotAdmin(NotAdded, Admin[Snapshot]):
    """Snapshots are looked at, restored and deleted; what is in one never changes."""

    list_display = ("name", "registry", "origin", "note", "model_count", "size_bytes", "made_by", "created", "there")
    list_filter = ("origin", "registry")
    list_select_related = ("registry", "made_by")
    search_fields = ("name", "note")
    date_hierarchy = "created"
    actions = ("restore",)

    @admin.display(boolean=True, description="file is there")
    def there(self, snapshot: Snapshot) -> bool:
        return not snapshots.lost_file(snapshot)

    def has_change_permission(self, request: HttpRequest, obj: Snapshot | None = None) -> bool:
        return False

    @admin.action(description="Restore the registry from the selected snapshot", permissions=["delete"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Snapshot]) -> None:
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, "Select one snapshot: a registry can be only one of them.", messages.ERROR)
            return
        job = changing.enqueue_restore(chosen[0])
        said = f"Restoring {chosen[0].registry} from {chosen[0]} (job {job.pk}); what it is now is kept as a snapshot."
        self.message_user(request, said, messages.INFO)

    def delete_model(self, request: HttpRequest, obj: Snapshot) -> None:
        snapshots.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for snapshot in queryset:
            snapshots.delete(snapshot)
