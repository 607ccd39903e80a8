"""What happens is told to webhooks: each event, once, with what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from registry import claims, evicting, jobs, polling, scanning, states, subscribing, supervising
from registry.evicting import Eviction
from registry.models import Delivery, Instance, Job, Registry, Server
from registry.models.job import Runner
from registry.models.language_model import State
from registry.models.state_change import Cause
from tests.builders import make_job, make_model, make_server
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def hook() -> None:
    subscribing.add_webhook("ops", "https://example.org/hook")


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen")]) as server:
        yield server


def told() -> list[tuple[str, str, dict[str, Any]]]:
    bodies = Delivery.objects.order_by("pk").values_list("body", flat=True)
    return [(body["event"], body["subject"], body["details"]) for body in bodies]


def test_a_state_change_is_told_with_its_cause_and_reason() -> None:
    qwen = make_model(key="qwen", server=make_server(name="shelf"))
    states.change(qwen, State.LOADED, cause=Cause.POLICY, reason="because", context=4096)
    ((event, subject, details),) = told()
    assert (event, subject) == ("state.changed", "qwen")
    assert details == {
        "model": qwen.pk, "server": "shelf", "old": "unloaded", "new": "loaded", "cause": "policy",
        "reason": "because", "context_length": 4096,
    }  # fmt: skip


def test_a_model_in_two_registries_is_told_once_and_a_request_not_at_all() -> None:
    qwen = make_model(key="qwen")
    make_model(key="qwen", server=qwen.server, registry=Registry.objects.create(name="lab"))
    states.change(qwen, State.LOADED, cause=Cause.US)
    states.change(qwen, State.ACTIVE, cause=Cause.GATEWAY)
    states.change(qwen, State.LOADED, cause=Cause.GATEWAY)
    assert [event for event, *_ in told()] == ["state.changed"]


def test_a_server_that_goes_and_comes_back_is_told_once_each(studio: ScriptedLMStudio) -> None:
    shelf = make_server(name="shelf", base_url=studio.url, reachable=True)
    Server.objects.update(base_url="http://127.0.0.1:9")
    for _ in range(2):
        polling.poll(Server.objects.get())
    Server.objects.update(base_url=studio.url)
    for _ in range(2):
        polling.poll(Server.objects.get())
    assert [(event, subject) for event, subject, _ in told()] == [
        ("server.unreachable", "shelf"), ("server.back", "shelf"),
    ]  # fmt: skip
    assert told()[0][2]["server"] == shelf.pk
    assert "cannot be reached" in told()[0][2]["error"]


def test_a_scan_that_finds_a_server_silent_tells_of_it_and_of_its_own_failure() -> None:
    make_server(name="dead", reachable=True)
    for _ in range(2):
        jobs.run(scanning.enqueue(Server.objects.get(), door="page").pk)
    events = [event for event, *_ in told()]
    assert events == ["server.unreachable", "job.failed", "job.failed"]


def test_a_failed_job_is_told_with_its_error_and_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(held: claims.Claim) -> None:
        raise claims.JobFailed("the disk is full")

    monkeypatch.setitem(jobs.KINDS, "boom", jobs.Kind(fail))
    job = make_job(kind="boom", title="qwen", status="queued")
    jobs.run(job.pk)
    ((event, subject, details),) = told()
    assert (event, subject, details["error"]) == ("job.failed", "qwen", "the disk is full")
    assert (details["kind"], details["page"]) == ("boom", f"/jobs/{job.pk}/")


def test_a_job_whose_command_died_is_told_and_one_that_is_cancelled_is_not() -> None:
    gone = make_job(runner=Runner.COMMAND, lease="x", owner="elsewhere:1", title="gone")
    Job.objects.update(heartbeat_at="2020-01-01T00:00:00Z")
    supervising.cancel(make_job(status="queued"))
    supervising.reconcile()
    assert [(event, details["job"]) for event, _, details in told()] == [("job.failed", gone.pk)]


def test_an_eviction_is_told_with_its_reason() -> None:
    qwen = make_model(key="qwen", server=(shelf := make_server(name="shelf")))
    instance = Instance.objects.create(server=shelf, model=qwen, instance_id="qwen")
    evicting._tell(shelf, Eviction(instance, "idle for 30 min", instance.first_seen, 5))
    ((event, subject, details),) = told()
    assert (event, subject, details["reason"], details["server"]) == (
        "model.evicted", "qwen", "idle for 30 min", "shelf",
    )  # fmt: skip


def test_a_scan_that_finds_a_server_again_tells_of_it(studio: ScriptedLMStudio) -> None:
    make_server(name="shelf", base_url=studio.url, reachable=False)
    for _ in range(2):
        jobs.run(scanning.enqueue(Server.objects.get(), door="page").pk)
    assert [(event, subject) for event, subject, _ in told()] == [("server.back", "shelf")]
