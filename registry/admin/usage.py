"""Requests to models and their sums, in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet

from registry.admin.bases import Admin, ReadOnly
from registry.models import InferenceRecord, Rollup

MOST_SHOWN = 10_000  # rows in the pages of a list: counting ten million takes seconds


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Pages of the newest rows only."""

    @property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:MOST_SHOWN].count() if isinstance(rows, QuerySet) else len(rows)


@admin.register(InferenceRecord)
class InferenceRecordAdmin(ReadOnly, Admin[InferenceRecord]):
    """Requests are evidence: they are only looked at, the newest first."""

    list_display = (
        "started", "model_key", "endpoint", "source", "outcome", "status", "tokens_in", "tokens_out", "tokens_unsplit",
        "duration_us", "ttft_us", "estimated",
    )  # fmt: skip
    list_display_links = ("started", "model_key")
    list_filter = ("outcome", "source", "endpoint", "stream", "estimated")
    search_fields = ("=uuid", "=model_key")
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50


@admin.register(Rollup)
class RollupAdmin(ReadOnly, Admin[Rollup]):
    """Sums follow from the requests: they are only looked at."""

    list_display = (
        "period", "start", "scope", "model_id", "server_id", "token_id", "requests", "ok", "errors", "tokens_in",
        "tokens_out", "tokens_unsplit",
    )  # fmt: skip
    list_display_links = ("start",)
    list_filter = ("period", "scope")
    ordering = ("-start", "scope", "period")
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
