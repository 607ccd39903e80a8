"""How a scan is asked for, done, shared, cancelled, and how it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone

from registry import connecting, jobs, scanning, supervising
from registry.lmstudio.wire import Listing
from registry.models import Job, LanguageModel, Registry, Scan, Server
from registry.models.job import JobStatus, Runner
from tests.builders import make_server
from tests.scans import again, scan, scanned, with_results
from tests.scripted_lmstudio import LIST, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


@pytest.fixture
def server(studio: ScriptedLMStudio) -> Server:
    return make_server(name="shelf", base_url=studio.url)


def test_two_registries_know_a_server_on_their_own(server: Server) -> None:
    found = with_results(server)
    other = Registry.objects.create(name="other")
    done = scan(server, registry=other)
    assert (done.added, LanguageModel.objects.filter(registry=other).count()) == (["qwen", "gemma"], 2)
    assert again(found).tested_context == 65_536


def test_only_a_scan_that_succeeded_is_the_last_of_its_registry(server: Server) -> None:
    scan(make_server())
    assert Registry.objects.default().last_scan is None
    scan(server)
    assert Registry.objects.default().last_scan is not None


def test_a_token_is_sent_to_its_server(studio: ScriptedLMStudio) -> None:
    studio.behaviour.token = "s3cret"
    done = scan(make_server(base_url=studio.url, token="s3cret"))
    assert (done.error, done.found) == ("", 2)


def test_a_token_sealed_with_a_lost_key_has_to_be_entered_again(server: Server) -> None:
    found = scanned(server)
    Server.objects.filter(pk=server.pk).update(token_sealed="gAAAAABunreadable")
    server.refresh_from_db()
    done = scan(server)
    assert done.error == "shelf: the stored token cannot be read any more; enter it again"
    assert done.job is not None
    assert (done.job.status, done.job.error, again(found).missing) == ("failed", done.error, False)


def test_a_refused_token_is_told_without_repeating_it(studio: ScriptedLMStudio) -> None:
    studio.behaviour.token = "right"
    done = scan(make_server(base_url=studio.url, token="wrong-one"))
    assert "refuses the token" in done.error
    assert "wrong-one" not in done.error


def test_a_server_that_fails_keeps_what_was_seen_of_it(server: Server, studio: ScriptedLMStudio) -> None:
    scan(server)
    seen = Server.objects.get().last_seen
    before = list(LanguageModel.objects.values())
    studio.stop()
    done = scan(server)
    server.refresh_from_db()
    assert (server.reachable, server.error, server.last_seen) == (False, done.error, seen)
    assert list(LanguageModel.objects.values()) == before


def test_a_scan_that_is_queued_already_is_not_queued_twice(server: Server) -> None:
    first = scanning.enqueue(server, door="page")
    assert scanning.enqueue(server, door="rest") == first
    jobs.run(first.pk)
    assert scanning.enqueue(server, door="rest") != first


def test_a_command_scans_by_itself_while_a_worker_has_it_queued(server: Server) -> None:
    queued = scanning.enqueue(server, door="page")
    assert scanning.enqueue(server, door="command", runner=Runner.COMMAND) != queued


def test_scanning_all_makes_one_child_for_each_enabled_server(server: Server, studio: ScriptedLMStudio) -> None:
    make_server()
    make_server(enabled=False)
    parent = scanning.enqueue_all(door="test")
    assert parent is not None
    assert (parent.title, parent.children.count(), parent.status) == ("2 servers", 2, "running")
    for child in parent.children.all():
        jobs.run(child.pk)
    parent.refresh_from_db()
    assert (parent.status, parent.message, parent.progress) == ("failed", "2 of 2 done, 1 failed", 1.0)


def test_scanning_all_goes_into_the_registry_that_is_asked_for(server: Server) -> None:
    make_server()
    other = Registry.objects.create(name="other")
    scanning.enqueue_all(door="test", registry=other)
    assert [scan.registry for scan in Scan.objects.all()] == [other, other]


def test_one_server_needs_no_parent_and_none_no_job(server: Server) -> None:
    single = scanning.enqueue_all(door="test")
    assert single is not None
    assert (single.kind, single.title) == ("scan", "shelf")
    Server.objects.update(enabled=False)
    assert scanning.enqueue_all(door="test") is None


def test_a_server_deleted_before_its_scan_is_said(server: Server) -> None:
    job = scanning.enqueue(server, door="test")
    connecting.delete_server(server)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.status, job.error) == ("failed", "the server was deleted meanwhile; there is nothing to scan")


def test_a_scan_whose_lease_was_taken_writes_nothing(server: Server, studio: ScriptedLMStudio) -> None:
    job = scanning.enqueue(server, door="test")

    held = jobs.claim(job)
    assert held is not None
    Job.objects.update(lease="another")
    jobs.carry_out(held)
    assert not LanguageModel.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_cancel_drops_the_request_in_flight(server: Server, studio: ScriptedLMStudio) -> None:
    studio.behaviour.delays[LIST] = 30
    job = scanning.enqueue(server, door="test")
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(in_a_thread, job)
        wait_until(lambda: bool(studio.requests))
        supervising.cancel(job)
        work.result(5)
    job.refresh_from_db()
    wait_until(lambda: studio.open_connections == 0)
    assert (job.status, LanguageModel.objects.count()) == ("cancelled", 0)


@pytest.mark.broker
@pytest.mark.django_db(transaction=True)
def test_two_scans_of_one_server_at_once_add_each_model_once(
    server: Server, studio: ScriptedLMStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.models[:] = [model(f"m{number}") for number in range(100)]
    together, look = threading.Barrier(2), scanning.look

    def look_together(*asked: Any) -> Listing:
        listing = look(*asked)
        together.wait(10)
        return listing

    monkeypatch.setattr(scanning, "look", look_together)
    both = [scanning.enqueue(server, door="test", runner=Runner.COMMAND) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(in_a_thread, both))
    assert set(Job.objects.values_list("status", flat=True)) == {JobStatus.SUCCEEDED}
    assert LanguageModel.objects.count() == 100
    assert sorted(len(done.added) for done in Scan.objects.all()) == [0, 100]


def in_a_thread(job: Job) -> None:
    try:
        jobs.run(job.pk)
    finally:
        connections.close_all()


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_list_of_a_moment_ago_is_fresh_for_its_registry_only(server: Server) -> None:
    done = scan(server)
    assert scanning.fresh(server, done.registry) == done
    assert scanning.fresh(server, Registry.objects.create(name="other")) is None
    Job.objects.update(ended=timezone.now() - timedelta(seconds=6))
    assert scanning.fresh(server, done.registry) is None


def test_a_scan_that_failed_is_not_reused(server: Server) -> None:
    done = scan(server)
    Job.objects.update(status=JobStatus.FAILED, ended=Now())
    assert scanning.fresh(server, done.registry) is None
