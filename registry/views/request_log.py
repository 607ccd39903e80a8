"""The log of requests: one line for each, newest first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from registry import exchanges, usage_names
from registry.models import ApiToken, LanguageModel, Registry, Role, User
from registry.models.usage import InferenceRecord, Outcome, Source
from registry.usage_names import Named
from registry.usage_sums import SECOND
from registry.views import listing
from registry.views.current import registry_of

COUNTED_UP_TO = 10_000  # counting all would take longer than showing some
DAYS = {"1": "24 hours", "7": "7 days", "30": "30 days", "366": "a year"}
USUAL = "7"
# words that instruments.STATES has a shape for
SHAPES = {
    Outcome.OK: "succeeded", Outcome.ERROR: "failed", Outcome.REFUSED: "cancelled", Outcome.INTERRUPTED: "stale",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One request with the names of what it was about; times in seconds."""

    record: InferenceRecord
    model: Named | None
    server: Named | None
    token: Named | None
    kept: bool = False  # prompt and answer can be read

    @property
    def duration(self) -> float | None:
        return _seconds(self.record.duration_us)

    @property
    def ttft(self) -> float | None:
        return _seconds(self.record.ttft_us)

    @property
    def shape(self) -> str:
        return SHAPES[Outcome(self.record.outcome)]

    @property
    def told(self) -> str:
        """The outcome in words, with the status where that says something went wrong."""
        words, status = self.record.get_outcome_display(), self.record.status
        return f"{words} ({status})" if status and status >= 400 else words


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / SECOND


def shown(request: HttpRequest) -> dict[str, Any]:
    """A page of the log and what it can be narrowed by."""
    asked = {name: request.GET.get(name, "") for name in ("outcome", "source", "token", "model")}
    days = request.GET.get("days", USUAL)
    days = days if days in DAYS else USUAL
    since = timezone.now() - timedelta(days=int(days))
    records = _narrowed(InferenceRecord.objects.filter(started__gte=since), registry_of(request), asked)
    counted = records.order_by()[: COUNTED_UP_TO + 1].count()
    order: dict[str, Any] = {"sort": "started", "reverse": True, "columns": {"started": "started"}}
    page = listing.page(request, records, total=min(counted, COUNTED_UP_TO), **order)
    tokens = ApiToken.objects.order_by("name").values_list("pk", "name")[:100]
    return {
        "page": page,
        "more_than": counted > COUNTED_UP_TO,
        "lines": lines(page.items, readable=_readable(request, page.items)),
        "pages": listing.turning(request, page),
        "asked": asked,
        "days": days,
        "spans": list(DAYS.items()),
        "outcomes": Outcome.choices,
        "sources": Source.choices,
        "tokens": [(str(pk), name) for pk, name in tokens],
        "narrowed": any(asked.values()),
        "empty": not counted and not InferenceRecord.objects.exists(),
    }


def _readable(request: HttpRequest, records: list[InferenceRecord]) -> set[UUID]:
    """Requests whose prompt and answer were kept; told to admins only."""
    is_admin = isinstance(request.user, User) and request.user.may(Role.ADMIN)
    return exchanges.kept_of(record.uuid for record in records) if is_admin and records else set()


def _narrowed(
    records: QuerySet[InferenceRecord], registry: Registry, asked: dict[str, str]
) -> QuerySet[InferenceRecord]:
    if asked["outcome"] in Outcome.values:
        records = records.filter(outcome=asked["outcome"])
    if asked["source"] in Source.values:
        records = records.filter(source=asked["source"])
    token, name = asked["token"], asked["model"].strip()[:1_200]
    if token.isascii() and token.isdigit() and len(token) < 19:
        records = records.filter(token=int(token) or None)
    if not name:
        return records
    ids = list(LanguageModel.objects.filter(registry=registry).named(name).values_list("pk", flat=True)[:100])
    # one that is gone, or was never there, is found by what it was called by
    return records.filter(model__in=ids) if ids else records.filter(model_key=name)


def lines(records: list[InferenceRecord], *, readable: Collection[UUID] = ()) -> list[Line]:
    """The records with the names of their models, servers and tokens, in three queries."""
    models = usage_names.models(record.model_id for record in records if record.model_id)
    servers = usage_names.servers(record.server_id for record in records if record.server_id)
    tokens = usage_names.tokens(record.token_id for record in records if record.token_id)
    return [
        Line(
            record,
            models.get(record.model_id or 0),
            servers.get(record.server_id or 0),
            tokens.get(record.token_id or 0),
            record.uuid in readable,
        )
        for record in records
    ]
