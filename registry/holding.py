"""One writer at a time in a registry: whole operations take turns, and who waits too long is told so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

from registry.models import Registry

PATIENCE_SECONDS = 20  # as long as SQLite waits for its lock


class Busy(Exception):
    """Somebody else is writing this registry; nothing was changed."""


@contextmanager
def holding(registry: Registry) -> Iterator[Registry]:
    """A transaction in which only this thread writes `registry` (given fresh); raises Busy after 20 seconds of waiting.

    Plan outside, write inside: while it lasts, SQLite lets nobody else write anything.
    """
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS}s'")
            yield Registry.objects.select_for_update().get(pk=registry.pk)
    except OperationalError as error:
        if "lock" not in str(error).lower():
            raise
        raise Busy(f"Registry {registry} is being written by somebody else; nothing was changed, try again.") from error
