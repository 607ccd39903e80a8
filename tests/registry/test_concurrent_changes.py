"""Many changes of one registry at once: each is done or told "busy", and every rule holds after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connections
from pytest_django.fixtures import Settings

from registry import changing, exchanging, jobs, scanning, snapshots, upkeep
from registry.models import Group, Job, LanguageModel, Registry, Server, Snapshot
from registry.models.job import Runner
from tests.builders import make_server, make_test
from tests.scans import scan
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

AT_ONCE, MODELS = 20, 30
BUSY = re.compile("is being written|keeps changing|has changed since|wrote the same objects")


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def studios() -> Iterator[list[ScriptedLMStudio]]:
    """Two LM Studios with the same keys, scanned once, with test results and a group over both."""
    with ExitStack() as running:
        shelves = [[model(f"model-{each}") for each in range(MODELS)] for _ in range(2)]
        both = [running.enter_context(ScriptedLMStudio(shelf)) for shelf in shelves]
        for number, studio in enumerate(both):
            scan(make_server(name=f"shelf-{number}", base_url=studio.url))
        registry = Registry.objects.default()
        group = Group.objects.create(registry=registry, name="all")
        for position, each in enumerate(LanguageModel.objects.all()):
            group.members.create(model=each, position=position)
            make_test(model=each)
        LanguageModel.objects.update(test_status="tested", tested_context=8192)
        registry.touch()
        yield both


def imported(registry: Registry, notes: str) -> Job:
    """An import that changes the notes of every model that there was at first."""
    document = json.loads(exchanging.export(registry, full=True))
    for told in document["models"].values():
        told["notes"] = notes
    upload = snapshots.store_upload(registry, "x.json", json.dumps(document).encode())
    return changing.enqueue_import(registry, upload, "update")


def scanned(server: Server) -> Job:
    # those of a worker are one while it is open
    return scanning.enqueue(server, door="test", runner=Runner.COMMAND)


def at_once(family: list[Job]) -> list[Job]:
    """Runs the jobs in as many threads, each with a connection of its own."""

    def work(job: Job) -> None:
        try:
            jobs.run(job.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(family)) as pool:
        list(pool.map(work, family))
    return list(Job.objects.filter(pk__in=[job.pk for job in family]))


def assert_done_or_busy(ended: list[Job]) -> None:
    for job in ended:
        assert job.status == "succeeded" or BUSY.search(job.error), f"{job}: {job.status} {job.error}"


def test_twenty_imports_restores_scans_and_cleanups_at_once_keep_every_rule(studios: list[ScriptedLMStudio]) -> None:
    registry = Registry.objects.default()
    whole = snapshots.create(registry, "whole")
    for studio in studios:  # five models go, five come, the others have another file
        studio.models = [model(f"model-{each}", size_bytes=7) for each in range(5, MODELS + 5)]
    family = []
    for number in range(AT_ONCE // 4):
        server = Server.objects.get(name=f"shelf-{number % 2}")
        family += [imported(registry, f"import {number}"), changing.enqueue_restore(whole), scanned(server)]
        family += [changing.enqueue_cleanup(registry, orphans=True)]
    assert len(family) == AT_ONCE
    ended = at_once(family)
    assert_done_or_busy(ended)
    assert sum(job.status == "succeeded" for job in ended) >= AT_ONCE // 2
    assert upkeep.validate(registry) == []


def test_of_twenty_plans_for_one_version_one_is_carried_out(studios: list[ScriptedLMStudio]) -> None:
    registry = Registry.objects.default()
    data = exchanging.export(registry, full=True)
    registry.touch()
    version = Registry.objects.default().version
    uploads = [snapshots.store_upload(registry, "x.json", data) for _ in range(AT_ONCE)]
    LanguageModel.objects.update(notes="to be lost")
    ended = at_once([changing.enqueue_import(registry, each, "exact", version=version) for each in uploads])
    assert_done_or_busy(ended)
    assert sum(job.status == "succeeded" for job in ended) == 1
    assert Snapshot.objects.filter(origin="safety").count() == 1
    assert not LanguageModel.objects.exclude(notes="").exists()


def test_twenty_snapshots_at_once_have_twenty_names(studios: list[ScriptedLMStudio]) -> None:
    registry = Registry.objects.default()

    def take(_: int) -> str:
        try:
            return snapshots.create(registry).name
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        names = list(pool.map(take, range(AT_ONCE)))
    assert len(set(names)) == AT_ONCE
