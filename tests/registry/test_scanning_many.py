"""A scan of a whole shelf of servers: how long it takes, and what one server costs."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from registry import jobs, scanning
from registry.management.base import AT_ONCE
from registry.models import LanguageModel, Server
from tests.builders import make_server
from tests.scripted_http import HANG
from tests.scripted_lmstudio import LIST, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SERVERS, MODELS, MAX_SECONDS, MAX_QUERIES = 20, 200, 15.0, 40


def shelf_of_models(number: int) -> list[dict[str, object]]:
    return [model(f"server-{number}/model-{each}", size_bytes=10**9 + each) for each in range(MODELS)]


@pytest.fixture
def shelf() -> Iterator[list[ScriptedLMStudio]]:
    """Twenty LM Studios: the first refuses the connection, the second never answers, the third takes 10 s."""
    with ExitStack() as running:
        studios = [running.enter_context(ScriptedLMStudio(shelf_of_models(number))) for number in range(SERVERS)]
        studios[0].stop()
        studios[1].script(LIST, [HANG])
        studios[2].behaviour.delays[LIST] = 10
        yield studios


@pytest.mark.django_db(transaction=True)
def test_twenty_servers_are_scanned_within_fifteen_seconds_and_the_dead_are_named(
    shelf: list[ScriptedLMStudio],
) -> None:
    for number, studio in enumerate(shelf):
        make_server(name=f"shelf-{number}", base_url=studio.url)
    output, began = io.StringIO(), time.monotonic()
    with pytest.raises(CommandError) as stopped:
        call_command("scan", stdout=output)
    seconds = time.monotonic() - began
    assert seconds < MAX_SECONDS
    assert (stopped.value.returncode, str(stopped.value)) == (3, "2 of 20 servers not read.")
    assert LanguageModel.objects.count() == (SERVERS - 2) * MODELS
    lines = output.getvalue().splitlines()
    assert f"❌ LM Studio at {shelf[0].url} cannot be reached" in lines[0]
    assert f"❌ LM Studio at {shelf[1].url} was not done within 12 s when asked to list its models" in lines[1]
    assert sorted(lines[2:]) == sorted(f"shelf-{number}: 200 models, 200 new" for number in range(2, SERVERS))
    assert Server.objects.filter(reachable=True).count() == SERVERS - 2


def test_a_server_of_two_hundred_models_costs_few_queries() -> None:
    with ScriptedLMStudio(shelf_of_models(0)) as studio:
        server = make_server(base_url=studio.url)
        counts = []
        for change in (lambda: None, lambda: None, lambda: [m.update(size_bytes=5) for m in studio.models]):
            change()
            job = scanning.enqueue(server, door="test")
            with CaptureQueriesContext(
                connection,
            ) as queries:
                jobs.run(job.pk)
            counts.append(len(queries))
    assert LanguageModel.objects.filter(size_bytes=5).count() == MODELS
    assert max(counts) <= MAX_QUERIES, counts


def test_ten_thousand_models_are_merged_and_merged_again() -> None:
    with ScriptedLMStudio([model(f"model-{each}") for each in range(10_000)]) as studio:
        server = make_server(base_url=studio.url)
        for word in ("10,000 models, 10,000 new", "10,000 models"):
            job = scanning.enqueue(server, door="test")
            jobs.run(job.pk)
            job.refresh_from_db()
            assert (job.status, job.message) == ("succeeded", word)
    assert LanguageModel.objects.count() == 10_000


def test_every_job_of_a_command_and_of_a_worker_finds_a_connection(settings: Settings) -> None:
    pool = settings.DATABASES["default"]["OPTIONS"].get("pool")
    if pool is None:
        pytest.skip("SQLite has no pool")
    assert pool["max_size"] > max(AT_ONCE, settings.CELERY_WORKER_CONCURRENCY)


def test_a_port_that_nobody_listens_on_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    job = scanning.enqueue(make_server(base_url=f"http://127.0.0.1:{port}"), door="test")
    began = time.monotonic()
    jobs.run(job.pk)
    assert time.monotonic() - began < 2
    job.refresh_from_db()
    assert "check that LM Studio's server is started" in job.error
