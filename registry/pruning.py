"""Deletes rows that only grow, when they are older than people want to keep them; sums, tests and open work stay."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Model, OneToOneRel, QuerySet
from django.utils import timezone

from registry import auditing
from registry.models import Delivery, InferenceRecord, Job, KeptExchange, Retention, Scan, StateChange
from registry.models.job import OPEN
from registry.models.webhook import DeliveryStatus

BATCH = 1_000  # rows of one transaction: others that write wait for it
SECONDS = 120.0  # of one round; the next goes on
PAUSE = 0.02  # between two transactions, in which others get their turn
DAYS = ("state_change_days", "job_days", "record_days", "delivery_days")


def retention() -> Retention:
    """How long rows are kept; the defaults until somebody chose."""
    return Retention.objects.first() or Retention()


@transaction.atomic
def save_retention(**days: int | None) -> Retention:
    """Sets days (None: for ever) for the kinds named in `DAYS`; what is older goes with the next round."""
    kept, changes = retention(), {}
    for field, value in days.items():
        if value is not None and value < 1:
            raise ValueError("Rows are kept for one day at least; leave it empty to keep them for ever.")
        if getattr(kept, field) != value:
            changes[field] = (getattr(kept, field), value)
            setattr(kept, field, value)
    kept.save()
    if changes:
        auditing.note("edit", kept, changes=changes)
    return kept


def prune() -> dict[str, int]:
    """Deletes what is too old, batch by batch; gives how many rows of each kind."""
    until, now, kept = time.monotonic() + SECONDS, timezone.now(), retention()
    kinds: dict[str, tuple[int | None, Callable[[datetime], QuerySet[Any]]]] = {
        "exchanges": (0, lambda before: KeptExchange.objects.filter(expires__lt=before).order_by("expires")),
        "state changes": (
            kept.state_change_days,
            lambda before: StateChange.objects.filter(at__lt=before).order_by("at"),
        ),
        "scans": (kept.job_days, _old_scans),
        "jobs": (kept.job_days, _old_jobs),
        "records": (kept.record_days, _old_records),
        "deliveries": (kept.delivery_days, _old_deliveries),
    }
    return {
        kind: _delete(rows(now - timedelta(days=days)), until)
        for kind, (days, rows) in kinds.items()
        if days is not None
    }


def _old_records(before: datetime) -> QuerySet[InferenceRecord]:
    """Whole days (UTC): the sums of a day can be derived anew only from all of its records."""
    day = before.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return InferenceRecord.objects.filter(started__lt=day).order_by("started")


def _old_scans(before: datetime) -> QuerySet[Scan]:
    """Not the latest of each server and registry, whatever its age."""
    latest = Scan.objects.order_by().values("server", "registry").annotate(latest=Max("pk")).values("latest")
    old = Scan.objects.filter(created__lt=before).exclude(job__status__in=OPEN).exclude(job__tidying=True)
    return old.exclude(pk__in=latest).order_by("pk")


def _old_jobs(before: datetime) -> QuerySet[Job]:
    """Ended ones; a parent after its parts, and none that an object (a scan, a context test) still tells of."""
    results = [each for each in Job._meta.related_objects if isinstance(each, OneToOneRel)]
    alone = {each.name: None for each in results} | {"children": None}
    return Job.objects.filter(ended__lt=before, tidying=False, **alone).exclude(status__in=OPEN).order_by("pk")


def _old_deliveries(before: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(created__lt=before).exclude(status=DeliveryStatus.WAITING).order_by("pk")


def _delete(old: QuerySet[Any], until: float) -> int:
    """`old` in an order that an index of a long table knows: where nothing is old, nothing is read through."""
    count = 0
    while time.monotonic() < until:
        with transaction.atomic():
            keys = list(old.values_list("pk", flat=True)[:BATCH])
            # asked again in the condition: what came to life meanwhile stays
            old.filter(pk__in=keys).order_by().delete()
        count += len(keys)
        if not keys:
            break
        time.sleep(PAUSE)
    return count


def held() -> list[tuple[str, str, int, datetime | None]]:
    """Of each kind: the field of its days, its name, about how many rows there are, and of when the first is."""
    return [
        ("state_change_days", "state changes", *_extent(StateChange, "at")),
        ("job_days", "jobs and scans", *_extent(Job, "created")),
        ("record_days", "requests to models", *_extent(InferenceRecord, "started")),
        ("delivery_days", "messages to webhooks", *_extent(Delivery, "created")),
    ]


def _extent(table: type[Model], moment: str) -> tuple[int, datetime | None]:
    """By the first and last key: counting ten million rows would take seconds."""
    rows = table._default_manager.order_by("pk")
    first, last = rows.values_list("pk", moment).first(), rows.values_list("pk", flat=True).last()
    return (0, None) if first is None or last is None else (last - first[0] + 1, first[1])
