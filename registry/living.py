"""Keeps a job alive while its thread is in one long step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from registry.claims import Claim
from registry.models import Job


@contextmanager
def showing_life(held: Claim) -> Iterator[None]:
    """Shows life from a thread: reading and writing 100,000 models takes longer than a silent job may."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(settings.HEARTBEAT_SECONDS):
            try:
                Job.objects.leased(held.lease).filter(pk=held.job.pk).update(heartbeat_at=Now())
            except DatabaseError:
                continue  # on SQLite the job itself is writing, and says so when it is done
        connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
