"""Carries a request to a loaded copy from outside the gateway, so that nobody unloads it meanwhile."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection
from django.db.models.functions import Now

from registry.draining import key_of
from registry.models import GatewayProcess, Instance

SHOW_SECONDS = 2.0  # how often it shows life; who was not seen for ten counts as ended


@contextmanager
def carrying(instance: Instance) -> Iterator[None]:
    """Counts as one request in flight at `instance`, as a process of the gateway would say it (see `draining`).

    ValueError when it is just being unloaded.
    """
    key = key_of(instance.server_id, instance.instance_id)
    name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
    row = GatewayProcess.objects.create(name=name, seen=Now(), knows=Now(), in_flight={key: 1})
    copies = Instance.objects.filter(server=instance.server_id, instance_id=instance.instance_id)
    over = threading.Event()
    thread = threading.Thread(target=_show_life, args=(row.pk, over), daemon=True, name=f"request to {key}")
    try:
        # looked at after the row is there: whoever marks it later sees the request and waits for it
        if copies.exclude(draining=None).exists():
            raise ValueError(f"{instance} is being unloaded from {instance.server}; try again in a moment.")
        copies.update(last_used=Now())
        thread.start()
        yield
    finally:
        over.set()
        if thread.is_alive():
            thread.join()
        copies.update(last_used=Now())
        row.delete()


def _show_life(pk: int, over: threading.Event) -> None:
    while not over.wait(SHOW_SECONDS):
        try:
            GatewayProcess.objects.filter(pk=pk).update(seen=Now(), knows=Now())
        except DatabaseError:
            continue  # the next sign of life may get through
    connection.close()
