"""What runs now for a registry: context tests with their bracket, other jobs with their progress."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Prefetch
from django.utils import timezone

from lmstrix_site.pages.activity import concerning
from registry.models import Job, Registry
from registry.models.job import JobStatus
from testing.models import ContextTest, Probe
from testing.views.evidence import Bracket

TESTS, JOBS = 3, 3


@dataclass(frozen=True)
class RunningTest:
    """A context test under way."""

    test: ContextTest
    bracket: Bracket
    current: Probe | None
    seconds: float


@dataclass(frozen=True)
class RunningJob:
    """Any other work under way."""

    job: Job
    seconds: float


@dataclass(frozen=True)
class Work:
    """What the overview shows of it; `more` things run that it does not show, `waiting` are queued."""

    tests: list[RunningTest]
    jobs: list[RunningJob]
    more: int
    waiting: int


def now(registry: Registry) -> Work:
    """Three queries, however much is running."""
    open_jobs = list(Job.objects.open().filter(concerning(registry), children=None).order_by("started", "pk")[:200])
    running = [job for job in open_jobs if job.status == JobStatus.RUNNING]
    tests = _tests([job.pk for job in running if job.kind == "context_test"][:TESTS])
    others = [job for job in running if job.kind != "context_test"]
    hidden = len(running) - len(tests) - min(len(others), JOBS)
    jobs = [RunningJob(job, _seconds(job)) for job in others[:JOBS]]
    return Work(tests, jobs, hidden, len(open_jobs) - len(running))


def _tests(job_ids: list[int]) -> list[RunningTest]:
    probes = Prefetch("probes", Probe.objects.order_by("order"))
    tests = (
        ContextTest.objects.filter(job__in=job_ids).select_related("model", "server", "job").order_by("job__started")
    )
    return [_running(test) for test in tests.prefetch_related(probes)] if job_ids else []


def _running(test: ContextTest) -> RunningTest:
    probes = list(test.probes.all())
    current = next((probe for probe in probes if not probe.verdict), None)
    finished = [probe for probe in probes if probe.verdict]
    return RunningTest(test, Bracket.after(finished), current, _seconds(test.job) if test.job else 0.0)


def _seconds(job: Job) -> float:
    return (timezone.now() - (job.started or job.created)).total_seconds()
