"""Cancels and retries jobs, and sums up families of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from registry import supervising
from registry.models import Job
from registry.models.job import JobStatus, Runner
from tests.builders import make_job

pytestmark = [pytest.mark.database, pytest.mark.django_db]

OLD, FRESH = timedelta(hours=1), timedelta(0)
ELSEWHERE = "another-host:7"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids that were handed to workers."""
    ids: list[int] = []
    monkeypatch.setattr("registry.dispatching.send", ids.append)
    return ids


def held_job(age: timedelta = OLD, **fields: Any) -> Job:
    """A job of a worker on another host that last showed life `age` ago."""
    defaults: dict[str, Any] = {"lease": "x", "owner": ELSEWHERE, "attempt": 1, "started": timezone.now()}
    job = make_job(**(defaults | fields))
    Job.objects.filter(pk=job.pk).update(heartbeat_at=Now() - age)
    return job


def again(job: Job) -> Job:
    job.refresh_from_db()
    return job


def family(*states: str) -> Job:
    parent = make_job(kind="scans")
    for status in states:
        make_job(status=status, parent=parent)
    return parent


def test_a_queued_job_is_cancelled_at_once() -> None:
    job = make_job(status=JobStatus.QUEUED)
    supervising.cancel(job)
    assert (again(job).status, job.tidying, job.message) == ("cancelled", False, "cancelled before it started")
    assert job.ended is not None


def test_a_running_job_is_asked_to_end() -> None:
    job = held_job(FRESH)
    supervising.cancel(job)
    assert (again(job).status, job.cancel_requested) == ("running", True)


def test_a_revived_job_that_is_cancelled_still_puts_things_back(sent: list[int]) -> None:
    job = held_job()
    supervising.reconcile()
    supervising.cancel(job)
    assert (again(job).status, job.tidying, sent) == ("cancelled", True, [job.pk, job.pk])


def test_cancelling_a_parent_ends_its_queued_children_and_asks_the_running_one() -> None:
    parent = family("queued", "running", "succeeded")
    supervising.cancel(parent)
    assert [child.status for child in parent.children.order_by("pk")] == ["cancelled", "running", "succeeded"]
    assert parent.children.get(status="running").cancel_requested
    assert (again(parent).status, parent.message) == ("running", "2 of 3 done, 1 cancelled")


def test_a_job_that_has_ended_is_not_cancelled() -> None:
    job = make_job(status=JobStatus.SUCCEEDED)
    supervising.cancel(job)
    assert (again(job).status, job.cancel_requested) == ("succeeded", False)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_ended_badly_can_be_retried(sent: list[int], status: str) -> None:
    job = make_job(status=status, error="no", attempt=3, cancel_requested=True, runner=Runner.COMMAND, progress=0.5)
    assert supervising.retry(job)
    again(job)
    assert (job.status, job.error, job.attempt, job.cancel_requested, job.ended) == ("queued", "", 0, False, None)
    assert (job.runner, sent) == ("worker", [job.pk])


@pytest.mark.parametrize(
    "fields", [{"status": "succeeded"}, {"status": "running"}, {"status": "failed", "tidying": True}]
)
def test_a_job_that_goes_on_or_went_well_is_not_retried(sent: list[int], fields: dict[str, Any]) -> None:
    assert not supervising.retry(make_job(**fields))
    assert sent == []


def test_retrying_a_parent_retries_what_failed(sent: list[int]) -> None:
    parent = family("succeeded", "failed", "cancelled")
    supervising.settle(parent.pk)
    assert supervising.retry(again(parent))
    assert sorted(child.status for child in parent.children.all()) == ["queued", "queued", "succeeded"]
    assert (again(parent).status, parent.ended, len(sent)) == ("running", None, 2)


def test_retrying_a_parent_that_went_well_changes_nothing(sent: list[int]) -> None:
    parent = family("succeeded")
    supervising.settle(parent.pk)
    before = Job.objects.filter(pk=parent.pk).values().get()
    assert not supervising.retry(parent)
    assert Job.objects.filter(pk=parent.pk).values().get() == before


def test_retrying_a_child_alone_opens_its_parent_again(sent: list[int]) -> None:
    parent = family("succeeded", "failed")
    supervising.settle(parent.pk)
    child = parent.children.get(status="failed")
    supervising.retry(child)
    assert again(parent).status == "running"
    Job.objects.filter(pk=child.pk).update(status=JobStatus.SUCCEEDED)
    supervising.settle(parent.pk)
    assert again(parent).status == "succeeded"


@pytest.mark.parametrize(
    ("states", "status", "message"),
    [
        (("succeeded", "succeeded"), "succeeded", "2 of 2 done"),
        (("succeeded", "failed", "cancelled"), "failed", "3 of 3 done, 1 failed, 1 cancelled"),
        (("succeeded", "cancelled"), "cancelled", "2 of 2 done, 1 cancelled"),
        (("succeeded", "running"), "running", "1 of 2 done"),
    ],
)
def test_a_parent_is_summed_up_from_its_children(states: tuple[str, ...], status: str, message: str) -> None:
    parent = family(*states)
    supervising.settle(parent.pk)
    assert (again(parent).status, parent.message) == (status, message)
    assert (parent.ended is None) == (status == "running")


def test_the_progress_of_a_parent_is_the_mean_of_its_children() -> None:
    parent = family("running", "running")
    parent.children.filter(pk=parent.children.first().pk).update(progress=0.5)  # type: ignore[union-attr]
    supervising.settle(parent.pk)
    assert again(parent).progress == 0.25
