"""Cancelling a context test: at once for the person, complete for the server."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from registry import connecting, jobs, scanning, supervising
from registry.models import Job, LanguageModel
from testing import context_testing
from testing.context_testing import Options
from tests.scripted_http import Request
from tests.scripted_lmstudio import CHAT, LOAD, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen", max_context_length=8192), model("gemma")]) as server:
        server.put("gemma", 12_288)
        yield server


@pytest.fixture
def job(studio: ScriptedLMStudio) -> Job:
    """A queued test of qwen while gemma is loaded."""
    server = connecting.add_server(name="studio", base_url=studio.url)
    jobs.run(scanning.enqueue(server, door="test").pk)
    found = LanguageModel.objects.select_related("server").get(key="qwen")
    return context_testing.enqueue([found], Options(), door="test")


def started(job: Job) -> threading.Thread:
    """The job at work in a thread of its own, as in a worker."""

    def work() -> None:
        jobs.run(job.pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def until(happened: Callable[[], bool], seconds: float = 10) -> float:
    """Waits for `happened`; gives how long it took."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.05)
    return time.monotonic() - began


def in_the_fill(studio: ScriptedLMStudio, job: Job) -> threading.Thread:
    """The job at work, in the middle of reading a full window (short prompts are answered at once)."""

    def slow_when_long(request: Request) -> None:
        studio.behaviour.prompt_seconds = 0.7 if len(request.body) > 10_000 else 0

    studio.script(CHAT, slow_when_long)
    thread = started(job)
    until(lambda: "reading" in Job.objects.get(pk=job.pk).message, 30)
    return thread


def status(job: Job) -> str:
    return Job.objects.values_list("status", flat=True).get(pk=job.pk)


def test_a_cancel_in_the_middle_of_a_fill_shows_within_five_seconds_and_puts_back(
    studio: ScriptedLMStudio, job: Job
) -> None:
    thread = in_the_fill(studio, job)
    supervising.cancel(job)
    assert until(lambda: status(job) == "cancelled") < 5
    thread.join(30)
    assert studio.instances() == ["gemma"]
    assert studio.models[1]["loaded_instances"][0]["config"]["context_length"] == 12_288


def test_while_things_are_put_back_the_job_says_so(studio: ScriptedLMStudio, job: Job) -> None:
    studio.behaviour.delays[CHAT] = 5
    thread = started(job)
    until(lambda: bool(studio.calls(CHAT)))
    studio.behaviour.delays[LOAD] = 1.0
    supervising.cancel(job)
    until(lambda: Job.objects.filter(pk=job.pk, tidying=True, message__contains="loading gemma again").exists())
    thread.join(30)
    job.refresh_from_db()
    assert (job.status, job.tidying, job.message) == ("cancelled", False, "cancelled; the server is as it was")


def test_a_cancelled_test_leaves_the_model_untested_and_keeps_its_probes(studio: ScriptedLMStudio, job: Job) -> None:
    thread = in_the_fill(studio, job)
    supervising.cancel(job)
    thread.join(30)
    job.refresh_from_db()
    assert job.context_test.model.test_status == "untested"
    assert [probe.requested for probe in job.context_test.probes.all()] == [2048, 8192]


def test_the_server_is_free_for_the_next_experiment_after_a_cancel(studio: ScriptedLMStudio, job: Job) -> None:
    studio.behaviour.delays[CHAT] = 5
    thread = started(job)
    until(lambda: bool(studio.calls(CHAT)))
    supervising.cancel(job)
    thread.join(30)
    job.refresh_from_db()
    assert job.context_test.server.experiment is None


def test_a_second_cancel_after_a_retry_puts_back_again(studio: ScriptedLMStudio, job: Job) -> None:
    for _ in range(2):
        thread = in_the_fill(studio, job)
        supervising.cancel(job)
        thread.join(30)
        assert studio.instances() == ["gemma"]
        job.refresh_from_db()
        assert supervising.retry(job)


def test_a_retry_after_a_cancel_goes_on_where_it_stopped(studio: ScriptedLMStudio, job: Job) -> None:
    thread = in_the_fill(studio, job)
    supervising.cancel(job)
    thread.join(30)
    studio.unscript(CHAT)
    studio.behaviour.prompt_seconds = 0
    job.refresh_from_db()
    assert supervising.retry(job)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert job.status == "succeeded"
    assert [probe.requested for probe in job.context_test.probes.all()] == [2048, 8192, 8192]
