"""Liveness and readiness."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from registry.models import Pulse
from tests.brokers import running_broker

pytestmark = [pytest.mark.django_db, pytest.mark.broker]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_broker() as url:
        yield url


@pytest.fixture
def whole(url: str, settings: Any) -> None:
    settings.REDIS_CLIENT_URL = url
    Pulse.objects.beat("worker")


@pytest.mark.usefixtures("whole")
def test_it_is_ready_when_everything_is_there(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": {}})


@pytest.mark.usefixtures("whole")
def test_a_silent_worker_is_named(client: Client) -> None:
    Pulse.objects.update(seen=timezone.now() - timedelta(seconds=61))
    answer = client.get("/readyz")
    assert (answer.status_code, list(answer.json()["missing"])) == (503, ["worker"])


@pytest.mark.usefixtures("whole")
def test_a_broker_that_is_away_is_named(client: Client, settings: Any) -> None:
    settings.REDIS_CLIENT_URL = "redis://127.0.0.1:9/0"
    assert list(client.get("/readyz").json()["missing"]) == ["broker"]


@pytest.mark.usefixtures("whole")
def test_a_database_that_is_away_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("lmstrix_site.health.connection.cursor", fail)
    assert list(client.get("/readyz").json()["missing"]) == ["database", "worker"]


def test_the_process_answers_without_anything_else(client: Client, settings: Any) -> None:
    settings.REDIS_CLIENT_URL = "redis://127.0.0.1:9/0"
    assert client.get("/healthz").content == b"ok\n"
