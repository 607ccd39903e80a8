"""Jobs: what runs, what waits, what came of the rest."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from registry import jobs as work
from registry import supervising
from registry.access import demand, needs
from registry.models import Job, Role
from registry.models.job import OPEN, JobQuerySet, JobStatus
from registry.views import listing

CHILDREN_SHOWN = 500
STATUSES = {
    "open": Q(status__in=OPEN),
    **{str(status): Q(status=status) for status in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)},
}


@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    return render(request, "registry/jobs.html", _list(request))


@require_safe
def jobs_live(request: HttpRequest) -> HttpResponse:
    return render(request, "registry/jobs_live.html", _list(request))


@require_safe
def job(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "registry/job.html", _one(pk))


@require_safe
def job_live(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "registry/job_live.html", _one(pk))


@require_POST
@needs(Role.OPERATOR)
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job, pk=pk)
    supervising.cancel(job)
    messages.info(request, f"{job.title or job}: cancel asked for.")
    return redirect(job)


@require_POST
@needs(Role.OPERATOR)
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Queues a failed job again; a change of a whole registry takes the role that starting it takes."""
    job = get_object_or_404(Job, pk=pk)
    demand(request, work.kind_of(job).role)
    if supervising.retry(job):
        messages.info(request, f"{job.title or job}: queued again; what it had finished counts.")
    else:
        messages.error(request, "Only a failed or cancelled job whose server is put back can be tried again.")
    return redirect(job)


def _with_results() -> JobQuerySet:
    """Jobs with what was found (the scan, the context test: whatever has a one-to-one to its job)."""
    return Job.objects.for_list().select_related(*_results(), "scan__server", "asked_by", "parent", "waiting_for")


def _results() -> list[str]:
    return [str(relation.name) for relation in Job._meta.related_objects if relation.one_to_one]


def _result_page(job: Job) -> str:
    """The page of what this job found: the object's own, or its server's; empty when there is none."""
    for found in (getattr(job, name, None) for name in _results()):
        if found is not None:
            place = found if hasattr(found, "get_absolute_url") else found.server
            return str(place.get_absolute_url())
    return reverse("model", args=[job.params["model"]]) if job.kind in ("load", "unload") else ""


def _list(request: HttpRequest) -> dict[str, Any]:
    top = _with_results().filter(parent=None)
    chosen = request.GET.get("status", "")
    going = (
        [] if chosen not in ("", "open") else list(top.filter(STATUSES["open"]).order_by("pk")[: listing.OPEN_SHOWN])
    )
    ended = top.none() if chosen == "open" else top.filter(STATUSES.get(chosen, ~STATUSES["open"]))
    page = listing.latest_first(request, ended)
    counts = [(name, Job.objects.filter(condition, parent=None).count()) for name, condition in STATUSES.items()]
    return {
        "open_jobs": _answered(list(going[: listing.OPEN_SHOWN])),
        "ended_jobs": _answered(page.items),
        "page": page,
        "pages": listing.turning(request, page),
        "chips": listing.chips(request, "status", counts),
        "counts": dict(counts),
        "query": request.GET.urlencode(),
    }


def _one(pk: int) -> dict[str, Any]:
    job = get_object_or_404(_with_results(), pk=pk)
    children = list(_with_results().filter(parent=job).order_by("pk")[:CHILDREN_SHOWN])
    return {"job": _answered([job])[0], "children": _answered(children)}


def _answered(jobs: list[Job]) -> list[Job]:
    """The jobs with what the templates show of them: their result, and the seconds that they took so far."""
    now = timezone.now()
    for job in jobs:
        job.result_page = _result_page(job)  # type: ignore[attr-defined]
        job.seconds = ((job.ended or now) - job.started).total_seconds() if job.started else None  # type: ignore[attr-defined]
    return jobs
