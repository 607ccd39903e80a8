"""One load or unload at a time on a server, whoever asks: people, gateway, memory policy, experiments.

LM Studio makes a second instance of a model that is loaded while another load of it is under way, so whoever loads
first takes this lock, and only then looks at what is loaded.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from registry.models import Job, Server

LOOK_SECONDS = 0.2

log = logging.getLogger(__name__)


class LoadBusy(ValueError):
    """Somebody else loads or unloads on this server; nothing was changed. `what` says what they do."""

    def __init__(self, server: Server, what: str) -> None:
        super().__init__(f"{server} is busy {what or 'loading a model'}; try again when that is done.")
        self.server, self.what = server, what


class Reserved(ValueError):
    """An experiment has this server to itself; nothing was changed."""

    def __init__(self, server: Server, job: Job) -> None:
        what = f"{job.get_kind_display()} of {job.title}" if job.title else job.get_kind_display()
        super().__init__(
            f"{server} is reserved for the {what} (job {job.pk}) until that ends; try again then, or cancel the job."
        )
        self.server, self.job = server, job


@dataclass
class Lock:
    """The lock of a server, held by this thread; `lost` once somebody else has it."""

    server: Server
    lease: str = field(default_factory=lambda: uuid.uuid4().hex)
    lost: bool = False

    def check(self) -> None:
        """Raises LoadBusy when the lock went to somebody else, since this process had hung: do nothing more."""
        if self.lost:
            raise LoadBusy(self.server, busy_with(self.server))


@contextmanager
def loading_on(
    server: Server, what: str, *, wait_seconds: float = 60.0, look: Callable[[], None] | None = None
) -> Iterator[Lock]:
    """Holds the lock of `server` while `what` ("loading qwen3-4b") is done; LoadBusy after `wait_seconds` of waiting.

    `look` is called now and then while it waits; what it raises ends the wait. A thread renews the lock, which is
    free again some 20 seconds after its holder died.
    """
    lock = Lock(server)
    _wait_for(lock, what[:600], wait_seconds, look)
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(lock, over), daemon=True, name=f"load lock of {server.pk}")
    thread.start()
    try:
        yield lock
    finally:
        over.set()
        thread.join()
        _held(lock).update(load_lease="", load_until=None, load_what="")


def busy_with(server: Server) -> str:
    """What is being loaded or unloaded there now ("loading qwen3-4b"); empty when nothing is."""
    held = Server.objects.filter(pk=server.pk, load_until__gte=Now()).exclude(load_lease="")
    return held.values_list("load_what", flat=True).first() or ""


def refuse_reserved(server: Server) -> None:
    """Raises Reserved while an experiment holds the server. Call it with the lock: experiments look with it, too."""
    holding = Server.objects.filter(pk=server.pk, experiment_until__gte=Now()).exclude(experiment=None)
    job = Job.objects.filter(pk__in=holding.values("experiment")).first()
    if job is not None:
        raise Reserved(server, job)


def _wait_for(lock: Lock, what: str, seconds: float, look: Callable[[], None] | None) -> None:
    until = time.monotonic() + seconds
    while not _take(lock, what):
        if time.monotonic() >= until:
            raise LoadBusy(lock.server, busy_with(lock.server))
        if look:
            look()
        time.sleep(min(LOOK_SECONDS, max(until - time.monotonic(), 0.01)))


def _take(lock: Lock, what: str) -> bool:
    """One conditional UPDATE by the database's clock: of many at once exactly one gets it."""
    free = Server.objects.filter(Q(load_lease="") | Q(load_until=None) | Q(load_until__lt=Now()), pk=lock.server.pk)
    if not free.exists():  # many may wait, and looking locks nothing
        if not Server.objects.filter(pk=lock.server.pk).exists():
            raise ValueError(f"{lock.server} was deleted meanwhile; there is nothing to load on.")
        return False
    return free.update(load_lease=lock.lease, load_until=_from_now(), load_what=what) == 1


def _held(lock: Lock) -> QuerySet[Server]:
    return Server.objects.filter(pk=lock.server.pk, load_lease=lock.lease)


def _from_now() -> Any:
    return Now() + timedelta(seconds=settings.STALE_SECONDS)


def _renew(lock: Lock, over: threading.Event) -> None:
    while not over.wait(settings.HEARTBEAT_SECONDS):
        try:
            lock.lost = _held(lock).update(load_until=_from_now()) != 1
        except DatabaseError as error:  # a database that is locked for a moment: the lock lasts longer than that
            log.warning("the load lock of server %s was not renewed: %s", lock.server.pk, error)
        if lock.lost:
            break
    connection.close()
