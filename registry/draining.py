"""Takes requests away from an instance before it is unloaded, so that none is cut off.

Two phases (see GatewayProcess): the mark is committed, then every live process has to say that it acts on it and has
nothing in flight there. What the gateway has to keep to:

- an instance drains when any of its rows (one per registry) has `draining` set; it then gets no new request;
- `knows` is the database's clock, read before the tables were, and written once those tables are in force;
- `in_flight` is counted from the moment an instance is chosen, by `key_of()`, and written together with `knows`.
"""

from __future__ import annotations

import socket
import time
from datetime import datetime, timedelta

import psutil
from django.db.models import QuerySet
from django.db.models.functions import Now

from registry.models import GatewayProcess, Instance

SILENT = timedelta(seconds=10)  # a process that has not been seen for this long counts as ended
FORGOTTEN = timedelta(hours=1)  # nor is it asked about again
ABANDONED = timedelta(minutes=15)  # whoever drains for this long has ended without tidying up
LOOK_SECONDS = 0.2


def key_of(server_id: int, instance_id: str) -> str:
    """The name of a loaded copy in `GatewayProcess.in_flight` and `last_used`, the same for every registry."""
    return f"{server_id}:{instance_id}"


def drained(instance: Instance, *, timeout: float, force: bool = False, patient: bool = True) -> bool:
    """Marks the instance as draining and waits (`timeout` seconds) until no process has a request in flight there.

    True: it stays marked, and may be unloaded; call `release()` if it is not after all. False: it is in use, and gets
    requests again; not `patient`: as soon as one is seen in flight. `force`: True in any case, the requests in flight
    are lost. Call it outside a transaction: others have to see the mark.
    """
    began = time.monotonic()
    try:
        marked = _mark(instance)
        while marked is not None and _held(instance, marked, time.monotonic() - began):
            if time.monotonic() - began >= timeout or (not patient and in_flight(instance)):
                if not force:
                    release(instance)
                return force
            time.sleep(LOOK_SECONDS)
    except BaseException:
        release(instance)
        raise
    return True


def release(instance: Instance) -> None:
    """Lets it have requests again; nothing happens when it is gone."""
    _rows(instance).update(draining=None)


def release_abandoned() -> int:
    """Lets instances have requests again whose unloading ended without a word (a process was killed)."""
    return Instance.objects.filter(draining__lt=Now() - ABANDONED).update(draining=None)


def in_flight(instance: Instance) -> int:
    """How many requests the live processes are carrying there, as they last said."""
    key = key_of(instance.server_id, instance.instance_id)
    live = GatewayProcess.objects.filter(seen__gte=Now() - SILENT)
    return sum(process.in_flight.get(key, 0) for process in live)


def _rows(instance: Instance) -> QuerySet[Instance]:
    """All rows of this loaded copy: each registry that has the model has one."""
    return Instance.objects.filter(server=instance.server_id, instance_id=instance.instance_id)


def _mark(instance: Instance) -> datetime | None:
    """Marks it and gives a moment after that was committed, by the database's clock; None: it is gone."""
    _rows(instance).update(draining=Now())
    clock: datetime | None = _rows(instance).values_list(Now(), flat=True).first()
    return clock


def _held(instance: Instance, marked: datetime, waited: float) -> bool:
    """Whether a process may still carry a request there, or may still choose it for one."""
    key = key_of(instance.server_id, instance.instance_id)
    processes = GatewayProcess.objects.annotate(clock=Now()).filter(seen__gte=Now() - FORGOTTEN)
    return any(
        holds(process.knows, process.in_flight.get(key, 0), process.clock - process.seen, marked, waited)
        and not _has_ended(process.name)
        for process in processes
    )


def holds(knows: datetime | None, requests: int, unseen: timedelta, marked: datetime, waited: float) -> bool:
    """The rule for one process that was seen `unseen` ago; `waited` seconds have passed since the mark."""
    if unseen > SILENT and waited >= SILENT.total_seconds():
        return False  # not before: the database may have been out of its reach, and it has the time to come back
    return knows is None or knows <= marked or requests > 0


def _has_ended(name: str) -> bool:
    """Whether `host:pid:start` was a process of this host and is there no more."""
    host, _, rest = name.partition(":")
    pid = rest.partition(":")[0]
    return host == socket.gethostname() and pid.isdecimal() and not psutil.pid_exists(int(pid))
