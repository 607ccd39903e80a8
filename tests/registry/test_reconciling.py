"""Revives jobs whose worker died, ends those of commands that ended, sends what the broker lost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from registry import jobs, supervising
from registry.claims import Claim, LeaseLost
from registry.models import Job
from registry.models.job import MAX_ATTEMPTS, JobStatus, Runner
from tests.builders import make_job, make_server

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


def aged(job: Job) -> Job:
    Job.objects.filter(pk=job.pk).update(created=timezone.now() - OLD)
    return job


def again(job: Job) -> Job:
    job.refresh_from_db()
    return job


def family(*states: str) -> Job:
    parent = make_job(kind="scans")
    for status in states:
        make_job(status=status, parent=parent)
    return parent


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_job_whose_worker_died_is_queued_and_sent_again(sent: list[int]) -> None:
    job = held_job()
    supervising.reconcile()
    assert (again(job).status, job.lease, sent) == ("queued", "", [job.pk])


def test_a_job_that_shows_life_is_left_alone(sent: list[int]) -> None:
    job = held_job(FRESH)
    supervising.reconcile()
    assert (again(job).status, job.lease, sent) == ("running", "x", [])


def test_the_old_holder_of_a_revived_job_can_write_nothing(sent: list[int]) -> None:
    job = held_job()
    supervising.reconcile()
    with pytest.raises(LeaseLost):
        Claim(job, "x").write(progress=1.0)


def test_a_holder_that_shows_life_at_the_last_moment_keeps_its_job(
    sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = held_job()

    def revive() -> list[Job]:
        Claim(job, "x").write()
        return []

    monkeypatch.setattr(supervising, "_orphans_of_this_host", revive)
    supervising.reconcile()
    assert (again(job).status, job.lease, sent) == ("running", "x", [])


def test_a_process_of_this_host_that_is_gone_is_not_waited_for(sent: list[int]) -> None:
    job = held_job(FRESH, owner=f"{socket.gethostname()}:{dead_process()}")
    supervising.reconcile()
    assert again(job).status == "queued"


def test_a_process_of_this_host_that_lives_keeps_its_job(sent: list[int]) -> None:
    job = held_job(FRESH, owner=f"{socket.gethostname()}:{os.getppid()}")
    supervising.reconcile()
    assert again(job).status == "running"


def test_a_job_of_a_command_that_ended_fails(sent: list[int]) -> None:
    job = held_job(runner=Runner.COMMAND)
    supervising.reconcile()
    assert (again(job).status, job.error, job.tidying) == ("failed", "the command ended", True)


def test_what_a_dead_command_had_not_begun_fails_too(sent: list[int]) -> None:
    job = aged(make_job(status=JobStatus.QUEUED, runner=Runner.COMMAND, owner=ELSEWHERE))
    supervising.reconcile()
    assert (again(job).status, job.error, sent) == ("failed", "the command ended", [])


def test_what_a_living_command_has_not_begun_stays_queued(sent: list[int]) -> None:
    held_job(FRESH, runner=Runner.COMMAND)
    job = aged(make_job(status=JobStatus.QUEUED, runner=Runner.COMMAND, owner=ELSEWHERE))
    supervising.reconcile()
    assert (again(job).status, sent) == ("queued", [])


def test_a_job_that_kills_its_workers_fails_after_three_attempts(sent: list[int]) -> None:
    job = held_job(attempt=MAX_ATTEMPTS)
    supervising.reconcile()
    assert again(job).status == "failed"
    assert job.error.startswith("worker lost 3 times without progress")


def test_a_cancelled_job_whose_worker_died_is_cancelled_and_tidied(
    sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: list[int] = []
    monkeypatch.setitem(jobs.KINDS, "demo", jobs.Kind(lambda held: None, lambda held: tidied.append(held.job.pk)))
    job = held_job(kind="demo", cancel_requested=True)
    supervising.reconcile()
    jobs.run(job.pk)
    assert (again(job).status, job.tidying, tidied, sent) == ("cancelled", False, [job.pk], [job.pk])


def test_the_tidying_of_a_dead_worker_is_finished_once(sent: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    tidied: list[int] = []
    monkeypatch.setitem(jobs.KINDS, "demo", jobs.Kind(lambda held: None, lambda held: tidied.append(held.job.pk)))
    job = held_job(kind="demo", status=JobStatus.FAILED, tidying=True)
    supervising.reconcile()
    jobs.run(job.pk)
    jobs.run(job.pk)
    assert (again(job).status, tidied) == ("failed", [job.pk])


def test_a_queued_job_that_the_broker_lost_is_sent_again(sent: list[int]) -> None:
    job = aged(make_job(status=JobStatus.QUEUED))
    assert supervising.reconcile() == 1
    assert sent == [job.pk]


def test_a_job_that_was_queued_just_now_is_not_sent_twice(sent: list[int]) -> None:
    make_job(status=JobStatus.QUEUED)
    supervising.reconcile()
    assert sent == []


def test_a_job_that_waits_for_a_busy_server_is_not_sent(sent: list[int]) -> None:
    server, holder = make_server(), held_job(FRESH)
    assert server.take_for(holder)
    waiting = aged(make_job(status=JobStatus.QUEUED, waiting_for=server))
    supervising.reconcile()
    assert sent == []
    server.release_from(holder)
    supervising.reconcile()
    assert sent == [waiting.pk]


def test_a_parent_that_missed_the_end_of_its_children_is_settled(sent: list[int]) -> None:
    parent = family("succeeded", "succeeded")
    supervising.reconcile()
    assert (again(parent).status, parent.progress) == ("succeeded", 1.0)
