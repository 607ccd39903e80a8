"""How a job is claimed, done and ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone

from registry import jobs
from registry.claims import Cancelled, Claim, JobFailed, LeaseLost, Waiting
from registry.models import Job
from registry.models.job import JobStatus
from tests.builders import make_job, make_server

pytestmark = [pytest.mark.database, pytest.mark.django_db]

Does = Callable[..., Job]


def nothing(held: Claim) -> None:
    return None


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> Does:
    """Runs a job whose work is this function; gives the job as it lies in the table afterwards."""

    def run(work: Callable[[Claim], None], tidy: Callable[[Claim], None] | None = None, **fields: object) -> Job:
        monkeypatch.setitem(jobs.KINDS, "demo", jobs.Kind(work, tidy))
        job = make_job(kind="demo", status=JobStatus.QUEUED, **fields)
        jobs.run(job.pk)
        job.refresh_from_db()
        return job

    return run


def raiser(error: Exception) -> Callable[[Claim], None]:
    def work(held: Claim) -> None:
        raise error

    return work


def test_work_that_ends_well_has_succeeded(does: Does) -> None:
    job = does(lambda held: held.say(0.4, "half way"))
    assert (job.status, job.progress, job.message, job.attempt) == ("succeeded", 1.0, "half way", 1)
    assert job.started is not None
    assert job.ended is not None
    assert job.started <= job.ended


def test_a_failure_that_is_foreseen_is_told_in_its_own_words(does: Does, caplog: pytest.LogCaptureFixture) -> None:
    job = does(raiser(JobFailed("the disk is full; make room")))
    assert (job.status, job.error) == ("failed", "the disk is full; make room")
    assert not caplog.records


def test_an_unforeseen_error_is_told_and_logged_with_its_traceback(
    does: Does, caplog: pytest.LogCaptureFixture
) -> None:
    job = does(raiser(ZeroDivisionError()))
    assert (job.status, job.error) == ("failed", "ZeroDivisionError")
    assert caplog.records[0].exc_info


def test_a_cancelled_job_is_tidied_after_its_end(does: Does) -> None:
    seen: list[str] = []
    job = does(raiser(Cancelled()), lambda held: seen.append(Job.objects.get(pk=held.job.pk).status))
    assert (job.status, job.tidying, seen) == ("cancelled", False, ["cancelled"])


def test_a_job_that_succeeds_is_not_tidied(does: Does) -> None:
    job = does(nothing, raiser(AssertionError("not needed")))
    assert (job.status, job.tidying) == ("succeeded", False)


def test_a_tidying_that_fails_says_so_and_ends(does: Does) -> None:
    job = does(raiser(JobFailed("no")), raiser(OSError("server gone")))
    assert (job.error, job.message, job.tidying) == ("no", "not everything could be put back: server gone", False)


def test_a_tidying_that_finds_the_server_busy_is_left_to_be_done_later(does: Does) -> None:
    job = does(raiser(Cancelled()), raiser(Waiting(make_server(name="shelf"))))
    assert (job.tidying, job.lease, job.message) == (True, "", "waiting for shelf to put things back")
    jobs.KINDS["demo"] = jobs.Kind(nothing, nothing)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.status, job.tidying) == ("cancelled", False)


def test_a_tidying_does_not_heed_the_cancel_that_led_to_it(does: Does) -> None:
    def work(held: Claim) -> None:
        Job.objects.filter(pk=held.job.pk).update(cancel_requested=True)
        held.check()

    job = does(work, lambda held: held.check())
    assert (job.status, job.message) == ("cancelled", "cancelled")


def test_waiting_for_a_busy_server_costs_no_attempt(does: Does) -> None:
    server = make_server(name="shelf")
    job = does(raiser(Waiting(server)))
    assert (job.status, job.attempt, job.lease, job.waiting_for) == ("queued", 0, "", server)
    assert job.message == "waiting for shelf"


def test_a_worker_that_lost_its_lease_writes_no_end(does: Does) -> None:
    def work(held: Claim) -> None:
        Job.objects.filter(pk=held.job.pk).update(lease="another")

    job = does(work)
    assert (job.status, job.lease, job.ended) == ("running", "another", None)


def test_a_lost_lease_ends_the_work_quietly(does: Does, caplog: pytest.LogCaptureFixture) -> None:
    job = does(raiser(LeaseLost("job 7 is held by another worker")))
    assert (job.status, job.error) == ("running", "")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_an_id_that_vanished_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    jobs.run(987_654)
    assert caplog.messages == ["job 987654 has vanished"]


@pytest.mark.parametrize("status", ["running", "succeeded", "failed", "cancelled"])
def test_a_job_that_is_not_queued_is_not_done_again(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    monkeypatch.setitem(jobs.KINDS, "demo", jobs.Kind(raiser(AssertionError("done twice"))))
    job = make_job(kind="demo", status=status)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.status, job.attempt) == (status, 0)


def test_work_of_an_unknown_kind_fails_with_a_reason() -> None:
    job = make_job(kind="from_a_newer_version", status=JobStatus.QUEUED)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert job.status == "failed"
    assert "does not know work of the kind from_a_newer_version" in job.error


def test_the_first_start_is_kept_over_later_runs() -> None:
    start = timezone.now()
    held = jobs.claim(make_job(status=JobStatus.QUEUED, started=start))
    assert held is not None
    assert held.job.started == start


def test_an_enqueued_job_lies_queued_in_the_table() -> None:
    job = jobs.enqueue("demo", title="A demo", door="test")
    assert (job.status, job.title, job.message) == ("queued", "A demo", "waiting for a worker")


@pytest.mark.broker
@pytest.mark.django_db(transaction=True)
def test_of_eight_threads_exactly_one_claims_a_job() -> None:
    job = make_job(status=JobStatus.QUEUED)
    together = threading.Barrier(8)

    def attempt(_: int) -> Claim | None:
        try:
            together.wait(10)
            return jobs.claim(Job.objects.get(pk=job.pk))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        claims = [claim for claim in pool.map(attempt, range(8)) if claim]
    job.refresh_from_db()
    assert [claim.lease for claim in claims] == [job.lease]
    assert job.attempt == 1
