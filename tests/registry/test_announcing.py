"""Announcing changes: after the commit, and never at anybody's cost."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator

import pytest
from django.db import transaction
from pytest_django.fixtures import Settings

from registry import announcing
from tests.brokers import client_of, running_broker

pytestmark = pytest.mark.broker


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "_clients", {})
    monkeypatch.setattr(announcing, "_silent_until", 0.0)


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with running_broker() as url:
        yield url


@pytest.fixture
def nobody(settings: Settings) -> None:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.REDIS_CLIENT_URL = f"redis://127.0.0.1:{free.getsockname()[1]}/0"


def heard(url: str, seconds: float = 2.0) -> list[dict[str, object]]:
    """What arrives after one announcement inside a transaction and one that is rolled back."""
    with client_of(url) as client, client.pubsub(ignore_subscribe_messages=True) as ear:  # type: ignore[no-untyped-call]
        ear.subscribe(announcing.CHANNEL)
        ear.get_message(timeout=1)
        with transaction.atomic():
            announcing.announce("job", 7, status="running")
            assert ear.get_message(timeout=0.05) is None
        with pytest.raises(ZeroDivisionError):
            rolled_back()
        announcing.announce("server", 8)
        found: list[dict[str, object]] = []
        until = time.monotonic() + seconds
        while len(found) < 2 and time.monotonic() < until:
            if message := ear.get_message(timeout=0.1):
                found.append(json.loads(message["data"]))
        return found


def rolled_back() -> None:
    with transaction.atomic():
        announcing.announce("job", 9)
        raise ZeroDivisionError


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_change_is_told_after_its_commit_and_only_then(broker: str, settings: Settings) -> None:
    settings.REDIS_CLIENT_URL = broker
    assert heard(broker) == [{"kind": "job", "id": 7, "status": "running"}, {"kind": "server", "id": 8}]


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_without_a_broker_a_hundred_announcements_are_quick_and_silent(
    nobody: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    began = time.monotonic()
    for number in range(100):
        announcing.announce("job", number)
    assert time.monotonic() - began < 0.5
    assert caplog.messages == []


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_back_is_told_again(broker: str, nobody: None, settings: Settings) -> None:
    announcing.announce("job", 1)
    announcing._silent_until = 0.0
    settings.REDIS_CLIENT_URL = broker
    assert heard(broker)


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_broker_that_accepts_and_never_answers_holds_nobody_up_twice(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_CLIENT_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        for number in range(20):
            announcing.announce("job", number)
        assert time.monotonic() - began < 3
