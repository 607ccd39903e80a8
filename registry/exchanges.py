"""Prompts and answers that were kept for tokens that ask for it: finds them until they expire, and deletes them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry import auditing
from registry.models import KeptExchange


def kept() -> QuerySet[KeptExchange]:
    """Those that may still be read; what has expired is deleted within a day."""
    return KeptExchange.objects.filter(expires__gt=timezone.now()).select_related("token")


def kept_of(uuids: Iterable[UUID]) -> set[UUID]:
    """Of these requests, those whose prompt and answer can be read; one query."""
    return set(kept().filter(record_uuid__in=list(uuids)).values_list("record_uuid", flat=True))


@transaction.atomic
def forget(exchange: KeptExchange) -> None:
    """Deletes prompt and answer; the record of the request stays."""
    auditing.note("delete", exchange, kind="prompt and answer", name=str(exchange.record_uuid))
    exchange.delete()
