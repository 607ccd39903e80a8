"""People's loads beside a context test on the same server: they wait, nothing is doubled, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connections

from registry import connecting, jobs, loading, scanning
from registry.models import Instance, Job, LanguageModel
from registry.models.job import JobStatus
from testing import context_testing
from testing.context_testing import Options
from testing.models import ContextTest
from tests.scripted_http import Request
from tests.scripted_lmstudio import LOAD, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def doubled() -> list[str]:
    """Second copies that were seen at any load or unload."""
    return []


@pytest.fixture
def studio(doubled: list[str]) -> Iterator[ScriptedLMStudio]:
    class Watched(ScriptedLMStudio):
        def put(self, key: str, context: int) -> str:
            made = super().put(key, context)
            doubled.extend([made] if ":" in made else [])
            return made

    with Watched([model(key, max_context_length=8192) for key in ("qwen", "gemma")], delays={LOAD: 0.3}) as server:
        yield server


@pytest.fixture
def qwen(studio: ScriptedLMStudio) -> LanguageModel:
    added = connecting.add_server(name="shelf", base_url=studio.url)
    jobs.run(scanning.enqueue(added, door="test").pk)
    return LanguageModel.objects.select_related("server", "registry").get(key="qwen")


def beside(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_loads_wait_for_a_test_and_make_no_second_copy(
    qwen: LanguageModel, studio: ScriptedLMStudio, doubled: list[str]
) -> None:
    test = context_testing.enqueue([qwen], Options(fixed_context=4096), door="test")
    running = beside(lambda: jobs.run(test.pk))
    until(lambda: studio.calls(LOAD))
    family = [loading.enqueue_load([each]) for each in LanguageModel.objects.all()]
    for job in family:
        jobs.run(job.pk)  # it goes back to the queue, unless the test has just ended
    running.join(60)
    for job in family:
        jobs.run(job.pk)
    assert (sorted(studio.instances()), doubled) == (["gemma", "qwen"], [])
    assert set(Job.objects.exclude(kind="scan").values_list("status", flat=True)) == {JobStatus.SUCCEEDED}


def test_a_load_under_way_is_found_by_the_test_and_put_back(
    qwen: LanguageModel, studio: ScriptedLMStudio, doubled: list[str]
) -> None:
    began: list[Request] = studio.calls(LOAD)
    under_way = beside(lambda: loading.load(qwen, context=2048))
    until(lambda: studio.calls(LOAD) != began)
    job = context_testing.enqueue([qwen], Options(fixed_context=4096), door="test")
    jobs.run(job.pk)
    under_way.join(10)
    test = ContextTest.objects.get()
    assert [found["context_length"] for found in test.found or []] == [2048]
    copy = Instance.objects.get()
    assert (copy.context_length, copy.loaded_by, copy.asked) == (2048, "us", {"context_length": 2048})
    assert (studio.instances(), doubled) == (["qwen"], [])
