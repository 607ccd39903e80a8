"""Handing jobs to workers: ids only, after the commit, and patience without a broker."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from celery.app import app_or_default
from django.conf import settings as configured
from django.db import connection, transaction

from registry import dispatching, scanning, tasks
from registry.models import Job, LanguageModel, Pulse
from tests.brokers import client_of, running_broker
from tests.builders import make_server
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.broker, pytest.mark.database, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def celery_on(url: str, **options: Any) -> Iterator[None]:
    """The Celery application of this process, on another broker."""
    ours = app_or_default()
    other = Celery("test")
    other.config_from_object("django.conf:settings", namespace="CELERY")
    other.conf.update(broker_url=url, **options)
    other.set_current()
    try:
        yield
    finally:
        ours.set_current()
        other.close()


@pytest.fixture
def no_broker() -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with celery_on(f"redis://127.0.0.1:{port}/0"):
        yield


@pytest.fixture
def broker() -> Iterator[str]:
    with running_broker() as url, client_of(url) as client, celery_on(url):
        client.delete("celery")  # what an earlier test left there
        yield url


def test_without_a_broker_jobs_stay_queued_and_nobody_waits(no_broker: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = make_server(token="s3cret-token")
    began = time.monotonic()
    job = scanning.enqueue(server, door="test")
    assert time.monotonic() - began < 2
    job.refresh_from_db()
    assert job.status == "queued"
    told = [record.getMessage() for record in caplog.records if record.name == dispatching.__name__]
    assert len(told) == 1
    assert told[0].startswith(f"job {job.pk} stays queued, the broker does not answer")
    assert "s3cret-token" not in caplog.text


def test_a_broker_that_hangs_costs_one_wait_for_many_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "_silent_until", 0.0)
    monkeypatch.setattr(dispatching, "SLOW_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with celery_on(url, broker_transport_options={"socket_timeout": 0.4, "max_retries": 0}):
            began = time.monotonic()
            for number in range(10):
                dispatching.send(number)
    assert time.monotonic() - began < 2


def test_a_job_is_sent_once_its_transaction_has_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **_: sent.append((name, arguments)))
    with transaction.atomic():
        dispatching.send(7)
        assert sent == []
    assert sent == [("registry.run_job", [7])]


def test_a_job_of_a_transaction_that_failed_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda *_, **__: sent.append(1))
    with transaction.atomic():
        dispatching.send(7)
        transaction.set_rollback(True)
    assert sent == []


def test_the_broker_sees_the_id_and_nothing_else(broker: str) -> None:
    server = make_server(name="shelf", token="s3cret-token")
    job = scanning.enqueue(server, door="test")
    with client_of(broker) as client:
        message = client.lpop("celery")
    assert message is not None
    text = bytes(message).decode()  # type: ignore[arg-type]
    assert "registry.run_job" in text
    assert "s3cret" not in text
    assert "shelf" not in text
    assert job.status == "queued"


def test_the_tasks_only_call_their_verbs() -> None:
    make_server()
    make_server()
    tasks.scan_all()
    parent = Job.objects.get(kind="scans")
    assert (parent.door, parent.children.count()) == ("schedule", 2)
    for child in parent.children.all():
        tasks.run_job(child.pk)
    tasks.reconcile()
    parent.refresh_from_db()
    assert (parent.status, parent.message) == ("failed", "2 of 2 done, 2 failed")
    assert Pulse.objects.get().name == "worker"


@pytest.fixture
def worker(broker: str, tmp_path: Path) -> Iterator[Path]:
    """A real worker process on the database of this test; gives its log."""
    name = connection.settings_dict["NAME"]
    own = configured.DATABASES["default"]
    engine = "sqlite" if connection.vendor == "sqlite" else "postgres"
    place = f"/{name}" if engine == "sqlite" else f"{own['USER']}@{own['HOST']}:{own['PORT']}/{name}"
    environment = os.environ | {
        "DATABASE_URL": f"{engine}://{place}", "REDIS_URL": broker, "PYTHONPATH": str(ROOT),
        "LMSTRIX_SECRET_KEY": configured.SECRET_KEY, "LMSTRIX_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "lmstrix_site.settings",
    }  # fmt: skip
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "lmstrix_site.celery", "worker", "--loglevel", "DEBUG"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_real_worker_does_a_scan_that_was_queued(worker: Path) -> None:
    with ScriptedLMStudio([model("qwen")], token="s3cret-token") as studio:
        job = scanning.enqueue(make_server(base_url=studio.url, token="s3cret-token"), door="test")
        until = time.monotonic() + 20
        while Job.objects.get(pk=job.pk).is_open:
            assert time.monotonic() < until, worker.read_text()
            time.sleep(0.05)
    job.refresh_from_db()
    assert (job.status, job.message) == ("succeeded", "1 model, 1 new")
    assert LanguageModel.objects.get().key == "qwen"
    assert "s3cret-token" not in worker.read_text()
