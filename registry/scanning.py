"""Scans servers: asks each what it has and merges that into the registry without losing what was found out."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from registry import acting, announcing, dispatching, jobs, merging_scan, notifying, sealing
from registry.claims import Claim, JobFailed
from registry.lmstudio import LMStudio
from registry.lmstudio.errors import LMStudioError
from registry.lmstudio.wire import Listing
from registry.models import Job, Registry, Scan, Server, User
from registry.models.job import OPEN, JobStatus, Runner
from registry.waiting import wait_for

KIND, FAMILY = "scan", "scans"
LISTING_SECONDS = 12.0  # one deadline for connecting, waiting and reading


def enqueue(
    server: Server,
    *,
    door: str,
    asked_by: User | None = None,
    parent: Job | None = None,
    registry: Registry | None = None,
    runner: str = Runner.WORKER,
    owner: str = "",
) -> Job:
    """A job that scans `server`; one that is queued or running already is given back instead of a second."""
    registry = registry or Registry.objects.default()
    with transaction.atomic():
        same = Scan.objects.filter(server=server, registry=registry, job__status__in=OPEN, job__runner=runner)
        if parent is None and runner == Runner.WORKER and (open_scan := same.select_related("job").first()):
            assert open_scan.job is not None  # noqa: S101  (the filter asks for one)
            return open_scan.job
        job = Job.objects.create(
            kind=KIND, title=server.name, message="waiting for a worker", parent=parent, door=door,
            asked_by=asked_by, runner=runner, owner=owner, params={"who": acting.current().name},
        )  # fmt: skip
        Scan.objects.create(job=job, server=server, registry=registry)
    if runner == Runner.WORKER:
        dispatching.send(job.pk)
    announcing.announce("job", job.pk)
    return job


def enqueue_all(
    *,
    door: str,
    asked_by: User | None = None,
    registry: Registry | None = None,
    runner: str = Runner.WORKER,
    owner: str = "",
) -> Job | None:
    """A parent job with one scan for each enabled server; None when there is no server."""
    servers = list(Server.objects.enabled())
    if not servers:
        return None
    common: dict[str, Any] = {"door": door, "asked_by": asked_by, "runner": runner, "owner": owner}
    if len(servers) == 1:
        return enqueue(servers[0], registry=registry, **common)
    with transaction.atomic():
        parent = Job.objects.create(
            kind=FAMILY, title=f"{len(servers)} servers", status=JobStatus.RUNNING, started=Now(),
            params={"who": acting.current().name}, **common,
        )  # fmt: skip
        for server in servers:
            enqueue(server, parent=parent, registry=registry, **common)
    return parent


def run(held: Claim) -> None:
    """Does the scan of a claimed job."""
    scan = Scan.objects.select_related("server", "registry").filter(job=held.job).first()
    if scan is None:
        raise JobFailed("the server was deleted meanwhile; there is nothing to scan")
    held.say(0.1, f"asking {scan.server.name}")
    began, asked = monotonic(), scan.server.clock()
    try:
        listing = look(scan.server, held)
    except (LMStudioError, sealing.Unreadable) as error:
        with held.fence():
            note_failure(scan, str(error), monotonic() - began)
        raise JobFailed(str(error)) from error
    held.say(0.5, f"{len(listing.models):,} models found; merging")
    with held.fence():
        # two scans of one server at once take turns here, and so do scans and other writers of the registry
        Registry.objects.filter(pk=scan.registry.pk).update(last_scan=timezone.now())
        if not Server.objects.select_for_update().filter(pk=scan.server.pk).exists():
            raise JobFailed("the server was deleted meanwhile; its answer is dropped")
        merging_scan.merge(scan, listing, asked)
        _note_success(scan, listing, monotonic() - began)
    held.write(message=summary(scan))
    announcing.announce("server", scan.server.pk)


def look(server: Server, held: Claim | None = None) -> Listing:
    """What `server` says it has; raises LMStudioError, or sealing.Unreadable for a token that is lost."""
    try:
        token = server.token or None
    except sealing.Unreadable as error:
        raise sealing.Unreadable(f"{server.name}: {error}") from error

    async def ask() -> Listing:
        async with LMStudio(server.base_url, token, listing_timeout=LISTING_SECONDS) as studio:
            return await studio.list_models()

    return wait_for(ask, held.check if held else None)


def note_failure(scan: Scan, error: str, seconds: float) -> None:
    scan.error, scan.duration_seconds = error, seconds
    scan.save(update_fields=["error", "duration_seconds"])
    answered = Server.objects.filter(pk=scan.server.pk).exclude(reachable=False).update(reachable=False)
    Server.objects.filter(pk=scan.server.pk).update(error=error, last_scan=timezone.now())
    if answered:
        notifying.server_silent(scan.server, error)
    announcing.announce("server", scan.server.pk)


def _note_success(scan: Scan, listing: Listing, seconds: float) -> None:
    scan.ping_seconds, scan.duration_seconds, scan.api = listing.ping_seconds, seconds, listing.api
    scan.found, scan.rejected, scan.error = len(listing.models), list(listing.rejected)[:200], ""
    scan.save()
    silent = scan.server.reachable is False  # as the scan began; most answered then, and cost no query
    if silent and Server.objects.filter(pk=scan.server.pk, reachable=False).update(reachable=True):
        notifying.server_back(scan.server)
    now = timezone.now()
    Server.objects.filter(pk=scan.server.pk).update(
        reachable=True, error="", version=listing.version or "", last_scan=now, last_seen=now
    )


def summary(scan: Scan) -> str:
    """What a scan found, in one line."""
    parts = [f"{scan.found:,} model{'s' if scan.found != 1 else ''}"]
    for number, word in ((len(scan.added), "new"), (len(scan.changed), "changed"), (len(scan.missing), "missing")):
        parts += [f"{number:,} {word}"] if number else []
    parts += [f"{len(scan.rejected):,} unreadable"] if scan.rejected else []
    return ", ".join(parts)


def fresh(server: Server, registry: Registry, seconds: float = 5.0) -> Scan | None:
    """The scan that brought the list of `server` into `registry` less than `seconds` ago."""
    recent = timezone.now() - timedelta(seconds=seconds)
    done = Scan.objects.filter(server=server, registry=registry, job__status=JobStatus.SUCCEEDED)
    return done.filter(job__ended__gt=recent).select_related("job").first()


jobs.KINDS[KIND] = jobs.Kind(run)
