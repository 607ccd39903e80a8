"""What happened lately to a registry: tests, scans and other jobs that ended, models that the policy unloaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from registry.models import Job, Registry, Scan, StateChange
from registry.models.job import JobStatus
from registry.models.language_model import State
from registry.models.state_change import Cause

SHOWN = 8
LATELY = timedelta(days=3)  # evictions; the log of states may be long


@dataclass(frozen=True)
class Event:
    """One line of the feed: when, about what (a link), and what happened to it."""

    at: datetime
    name: str
    url: str
    before: str = ""
    after: str = ""
    tone: str = ""


def concerning(registry: Registry) -> Q:
    """Jobs that test, scan or change `registry`, and those that are of no registry."""
    tested = Q(context_test=None) | Q(context_test__model__registry=registry)
    scanned = Q(scan=None) | Q(scan__registry=registry)
    changed = Q(params__registry__isnull=True) | Q(params__registry=registry.pk)
    return tested & scanned & changed


def last_scan(registry: Registry) -> Scan | None:
    return registry.scans.select_related("server").order_by("-created").first()


def scan_told(scan: Scan) -> str:
    """What a scan found, for the end of a sentence."""
    if scan.error:
        return f"failed on {_short(scan.server.name)}"
    return f"found {_differences(scan) or 'nothing new'}"


def feed(registry: Registry) -> list[Event]:
    """The last things that ended, newest first; scans that found nothing new are left out. Two queries."""
    ended = (
        Job.objects.exclude(ended=None)
        .filter(concerning(registry), children=None)
        .select_related("asked_by", "context_test__model", "context_test__server", "scan__server")
        .order_by(F("ended").desc(), "-pk")[: 5 * SHOWN]
    )
    events = [event for job in ended if (event := _event(job))]
    events += _evictions(registry)
    return sorted(events, key=lambda event: event.at, reverse=True)[:SHOWN]


def _evictions(registry: Registry) -> list[Event]:
    unloaded = StateChange.objects.filter(cause=Cause.POLICY, new=State.UNLOADED, at__gte=timezone.now() - LATELY)
    mine = unloaded.filter(model__registry=registry).select_related("model")[:SHOWN]
    return [
        Event(row.at, _short(row.model.name), row.model.get_absolute_url(), "", f"unloaded by policy: {row.reason}")
        for row in mine
        if row.model
    ]


def _event(job: Job) -> Event | None:
    assert job.ended is not None  # noqa: S101  (the query has seen to it)
    test, scan = getattr(job, "context_test", None), getattr(job, "scan", None)
    if test is not None:
        return Event(job.ended, _short(test.model.name), test.get_absolute_url(), "", *_tested(job))
    if scan is not None:
        told = _scanned(job, scan)
        return Event(job.ended, scan.server.name, scan.server.get_absolute_url(), "", *told) if told else None
    tone = "bad" if job.status == JobStatus.FAILED else ""
    name = _short(job.title or job.get_kind_display())
    return Event(job.ended, name, job.get_absolute_url(), f"{job.get_kind_display().capitalize()}: ", job.status, tone)


def _tested(job: Job) -> tuple[str, str]:
    test = job.context_test
    if job.status == JobStatus.CANCELLED:
        return f"test cancelled{_by(job)}", ""
    if job.status == JobStatus.FAILED:
        return "test could not be finished", "bad"
    if test.tested_context:
        return f"verified at {test.tested_context:,}", ""
    return f"no size works: {test.verdict}", "bad"


def _scanned(job: Job, scan: Scan) -> tuple[str, str] | None:
    if scan.error or job.status == JobStatus.FAILED:
        return "did not answer the scan", "bad"
    found = _differences(scan)
    return (f"scanned: {found}", "") if found else None


def _differences(scan: Scan) -> str:
    counts = (("new", scan.added), ("changed", scan.changed), ("gone", scan.missing))
    return ", ".join(f"{len(names)} {word}" for word, names in counts if names)


def _by(job: Job) -> str:
    return f" by {job.asker}" if job.asker else ""


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
