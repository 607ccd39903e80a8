"""A job held under a lease: signs of life, safe writes, one experiment at a time on a server."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from registry import jobs
from registry.claims import Cancelled, Claim, LeaseLost, Waiting
from registry.models import Job, Server
from registry.models.job import JobStatus, Runner
from registry.models.registry import Registry
from tests.builders import make_job, make_server

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def claimed(**fields: object) -> Claim:
    held = jobs.claim(make_job(status=JobStatus.QUEUED, **fields))
    assert held is not None
    return held


def lose(held: Claim) -> None:
    """Another worker takes the job over."""
    Job.objects.filter(pk=held.job.pk).update(lease="another")


def test_a_holder_that_lost_its_lease_can_write_nothing() -> None:
    held = claimed()
    lose(held)
    with pytest.raises(LeaseLost):
        held.write(progress=0.9)
    with pytest.raises(LeaseLost):
        held.say(0.9, "late")
    with pytest.raises(LeaseLost):
        held.check()
    held.job.refresh_from_db()
    assert (held.job.progress, held.job.message) == (0.0, "starting")


def test_what_a_fence_holds_is_not_written_without_the_lease() -> None:
    held = claimed()
    lose(held)
    with pytest.raises(LeaseLost), held.fence():
        Registry.objects.create(name="late")
    assert not Registry.objects.exists()


def test_what_fails_inside_a_fence_is_rolled_back() -> None:
    held = claimed()
    with pytest.raises(IntegrityError), held.fence():
        Registry.objects.bulk_create([Registry(name="half"), Registry(name="half")])
    assert not Registry.objects.exists()


def test_a_finished_item_resets_the_attempts() -> None:
    held = claimed(attempt=2)
    assert held.job.attempt == 3
    with held.fence(finished=True):
        pass
    held.job.refresh_from_db()
    assert held.job.attempt == 1


def test_signs_of_life_come_from_the_clock_of_the_database() -> None:
    held = claimed()
    Job.objects.filter(pk=held.job.pk).update(heartbeat_at=Now() - timedelta(hours=1))
    assert Job.objects.lost().get() == held.job
    with CaptureQueriesContext(connections["default"]) as queries:
        held.write()
    assert not Job.objects.lost().exists()
    assert "strftime" in queries[0]["sql"].lower() or "statement_timestamp" in queries[0]["sql"].lower()


def test_a_check_shows_life_only_when_it_is_due(settings: Settings) -> None:
    held = claimed()
    held.write()
    with CaptureQueriesContext(connections["default"]) as queries:
        held.check()
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]
    settings.HEARTBEAT_SECONDS = 0
    with CaptureQueriesContext(connections["default"]) as queries:
        held.check()
    assert "UPDATE" in queries[0]["sql"]


@pytest.mark.parametrize("due", [True, False])
def test_a_check_hears_a_cancel(settings: Settings, due: bool) -> None:
    settings.HEARTBEAT_SECONDS = 0 if due else 60
    held = claimed()
    held.check()
    Job.objects.filter(pk=held.job.pk).update(cancel_requested=True)
    with pytest.raises(Cancelled):
        held.check()


def test_a_pause_ends_with_a_cancel() -> None:
    held = claimed()
    Job.objects.filter(pk=held.job.pk).update(cancel_requested=True)
    with pytest.raises(Cancelled):
        held.pause(0.01)


def test_what_is_told_often_is_written_at_most_twice_a_second() -> None:
    held = claimed()
    for step in range(20):
        held.say(step / 20, f"step {step}", often=True)
    held.job.refresh_from_db()
    assert held.job.message == "step 0"


@pytest.mark.parametrize(("told", "kept"), [(-1.0, 0.0), (0.5, 0.5), (7.0, 1.0)])
def test_progress_stays_between_nothing_and_everything(told: float, kept: float) -> None:
    held = claimed()
    held.say(told)
    held.job.refresh_from_db()
    assert held.job.progress == kept


def test_a_server_in_an_experiment_makes_the_next_one_wait() -> None:
    server, first, second = make_server(name="shelf"), claimed(), claimed()
    first.reserve(server)
    with pytest.raises(Waiting, match="waiting for shelf"):
        second.reserve(server)
    first.free()
    second.reserve(server)


def test_a_server_can_be_reserved_again_by_its_own_job() -> None:
    server, held = make_server(), claimed()
    assert server.take_for(held.job)
    assert server.take_for(held.job)


def test_an_experiment_that_shows_no_life_loses_its_server() -> None:
    server, first, second = make_server(), claimed(), claimed()
    first.reserve(server)
    Server.objects.filter(pk=server.pk).update(experiment_until=Now() - timedelta(seconds=1))
    second.reserve(server)
    server.refresh_from_db()
    assert server.experiment == second.job


def test_a_heartbeat_renews_the_reservation(settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS = 0
    server, held, other = make_server(), claimed(), claimed()
    held.reserve(server)
    Server.objects.filter(pk=server.pk).update(experiment_until=Now() + timedelta(milliseconds=1))
    held.check()
    assert not server.take_for(other.job)


def test_a_job_that_talks_all_the_time_keeps_its_server(settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS, settings.STALE_SECONDS = 0.2, 0.6
    server, held, other = make_server(), claimed(), claimed()
    held.reserve(server)
    for _ in range(20):  # a second of progress: no heartbeat is ever due
        held.say(message="reading the window")
        time.sleep(0.05)
    assert not server.take_for(other.job)


def test_a_job_whose_server_was_taken_stops(settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS = 0
    server, held, other = make_server(name="shelf"), claimed(), claimed()
    held.reserve(server)
    Server.objects.filter(pk=server.pk).update(experiment=other.job.pk)
    with pytest.raises(LeaseLost, match="shelf is reserved for another job"):
        held.check()


def test_only_the_holder_gives_a_server_back() -> None:
    server, held, other = make_server(), claimed(), claimed()
    held.reserve(server)
    server.release_from(other.job)
    server.refresh_from_db()
    assert server.experiment == held.job


def test_a_freed_server_goes_to_the_job_that_waited_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr("registry.dispatching.send", sent.append)
    server, held = make_server(), claimed()
    held.reserve(server)
    waiting = [make_job(status=JobStatus.QUEUED, waiting_for=server) for _ in range(2)]
    held.free()
    assert sent == [waiting[0].pk]


def test_a_freed_server_does_not_send_the_job_of_a_command_to_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr("registry.dispatching.send", sent.append)
    server, held = make_server(), claimed()
    held.reserve(server)
    make_job(status=JobStatus.QUEUED, waiting_for=server, runner=Runner.COMMAND)
    held.free()
    assert sent == []


@pytest.mark.broker
@pytest.mark.django_db(transaction=True)
def test_of_eight_experiments_exactly_one_gets_the_server() -> None:
    server, many = make_server(), [make_job() for _ in range(8)]
    together = threading.Barrier(8)

    def attempt(job: Job) -> bool:
        try:
            together.wait(10)
            return server.take_for(job)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, many)) == [False] * 7 + [True]
