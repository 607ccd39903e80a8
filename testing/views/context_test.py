"""One context test: live while it runs, a report afterwards."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from registry.models import Job, Server
from registry.models.job import JobStatus
from testing.models import ContextTest, Probe
from testing.models.context_test import GOOD, Phase
from testing.views.evidence import READS, Bracket, MemoryFit, chart_of, left_open
from testing.views.steps import steps_of_test


@require_safe
def context_test(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "testing/context_test.html", report(_loaded(pk)))


@require_safe
def context_test_live(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "testing/context_test_live.html", report(_loaded(pk)))


def _loaded(pk: int) -> ContextTest:
    tests = ContextTest.objects.select_related("model", "server__experiment", "job__asked_by", "job__waiting_for")
    return get_object_or_404(tests, pk=pk)


def report(test: ContextTest) -> dict[str, Any]:
    """Everything the page says about `test`; `stage` is waiting, running, done, failed or cancelled."""
    probes = list(test.probes.all())
    finished = [probe for probe in probes if probe.verdict]
    bracket = Bracket.after(finished)
    stage = stage_of(test.job)
    live = stage in {"waiting", "running"} or bool(test.job and test.job.tidying)
    return {
        "test": test,
        "job": test.job,
        "stage": stage,
        "live": live,
        "seconds": running_seconds(test.job),
        "holder": _holder(test) if stage == "waiting" else None,
        "good": test.verdict in GOOD,
        "left_open": left_open(test, finished),
        "probes": probes[::-1] if live else probes,
        "loads": sum(probe.loads for probe in probes),
        "working": len({probe.requested for probe in finished if probe.good}),
        "current": next((probe for probe in probes if not probe.verdict), None),
        "filling": test.phase in {Phase.FILL, Phase.PUT_BACK},
        "bracket": bracket,
        "failure": _failure(finished, bracket.high),
        "steps": steps_of_test(test, probes, stage),
        "fit": MemoryFit.of(finished, test.server.memory_limit_bytes),
        "chart": chart_of(finished, test.model.declared_context, test.tested_context),
        "set_aside": [item for item in test.found or [] if isinstance(item, dict)],
    }


def stage_of(job: Job | None) -> str:
    """waiting, running, done, failed or cancelled; a test whose job row is gone has ended long ago."""
    if job is None:
        return "done"
    stages = {
        JobStatus.QUEUED: "waiting", JobStatus.RUNNING: "running", JobStatus.FAILED: "failed",
        JobStatus.CANCELLED: "cancelled",
    }  # fmt: skip
    return stages.get(JobStatus(job.status), "done")


def running_seconds(job: Job | None) -> float | None:
    """How long `job` has been running, or ran."""
    if job is None or job.started is None:
        return None
    return ((job.ended or timezone.now()) - job.started).total_seconds()


def _holder(test: ContextTest) -> ContextTest | Job | None:
    """What keeps the server busy, when that is what this test waits for."""
    server: Server = test.server
    if server.experiment is None or server.experiment == test.job:
        return None
    other = ContextTest.objects.filter(job=server.experiment).select_related("model").first()
    return other or server.experiment


def _failure(probes: list[Probe], high: int | None) -> str:
    """The word for what happens at the upper end of the bracket."""
    if high is None:
        return ""
    last = [probe for probe in probes if probe.requested == high and not probe.good]
    word = last[-1].verdict if last else "fails"
    return "fails when filled" if last and last[-1].kind in READS else word
