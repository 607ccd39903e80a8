"""Nothing is unloaded under a request: the two-phase protocol with the web processes."""

from __future__ import annotations

import os
import random
import socket
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from registry import draining
from registry.models import GatewayProcess, Instance, Registry
from tests.builders import make_model, make_server
from tests.gateway_processes import Carrier, Traffic

pytestmark = [pytest.mark.django_db, pytest.mark.database]
SOAK = bool(os.environ.get("LMSTRIX_SOAK"))


def make_copy(**fields: object) -> Instance:
    model = make_model(server=(server := make_server()))
    return Instance.objects.create(server=server, model=model, instance_id=model.key, **fields)


def process(instance: Instance, *, requests: int = 0, seen: float = 0, knows: float | None = -3600) -> GatewayProcess:
    """A process that was seen `seen` seconds ago; by `knows` it knew the tables `knows` seconds ago (later: minus)."""
    now = timezone.now()
    return GatewayProcess.objects.create(
        name="elsewhere:7:0", seen=now - timedelta(seconds=seen),
        knows=None if knows is None else now - timedelta(seconds=knows),
        in_flight={draining.key_of(instance.server_id, instance.instance_id): requests},
    )  # fmt: skip


def test_without_any_process_it_is_drained_at_once_and_stays_marked() -> None:
    instance = make_copy()
    assert draining.drained(instance, timeout=5)
    instance.refresh_from_db()
    assert instance.draining is not None


def test_a_request_in_flight_keeps_it_and_it_gets_requests_again() -> None:
    instance = make_copy()
    process(instance, requests=2)
    assert draining.in_flight(instance) == 2
    assert not draining.drained(instance, timeout=0.1)
    instance.refresh_from_db()
    assert instance.draining is None


@pytest.mark.parametrize("knows", [None, 0.5])
def test_a_process_that_does_not_know_yet_keeps_it(knows: float | None) -> None:
    instance = make_copy()
    process(instance, knows=knows)
    assert not draining.drained(instance, timeout=0.1)


def test_a_process_that_knows_and_carries_nothing_lets_it_go() -> None:
    instance = make_copy()
    process(instance)
    assert draining.drained(instance, timeout=0.1)


def test_requests_to_another_copy_do_not_matter() -> None:
    instance, other = make_copy(), make_copy()
    process(other, requests=3)
    assert draining.drained(instance, timeout=0.1)


def test_who_was_not_seen_for_ten_seconds_is_waited_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = make_copy()
    process(instance, requests=1, seen=30, knows=30)
    assert not draining.drained(instance, timeout=0.1)
    monkeypatch.setattr(draining, "SILENT", timedelta(seconds=0.3))
    assert draining.drained(instance, timeout=2)


def test_a_process_not_seen_for_an_hour_is_forgotten() -> None:
    instance = make_copy()
    process(instance, requests=1, seen=3700, knows=3700)
    assert draining.drained(instance, timeout=0.1)


def test_a_process_of_this_host_that_was_killed_is_not_waited_for() -> None:
    instance = make_copy()
    killed = process(instance, requests=1)
    GatewayProcess.objects.filter(pk=killed.pk).update(name=f"{socket.gethostname()}:99999999:0")
    assert draining.drained(instance, timeout=0.1)


def test_by_force_it_is_given_up_with_its_requests() -> None:
    instance = make_copy()
    process(instance, requests=1)
    assert draining.drained(instance, timeout=0.1, force=True)


def test_every_row_of_the_copy_is_marked_and_let_go() -> None:
    instance = make_copy()
    second = make_model(registry=Registry.objects.create(name="second"), server=instance.server)
    Instance.objects.create(server=instance.server, model=second, instance_id=instance.instance_id)
    draining.drained(instance, timeout=1)
    assert Instance.objects.filter(draining=None).count() == 0
    draining.release(instance)
    assert Instance.objects.filter(draining=None).count() == 2


def test_what_was_left_marked_by_a_killed_process_is_released() -> None:
    old, fresh = make_copy(draining=timezone.now() - timedelta(hours=1)), make_copy(draining=timezone.now())
    assert draining.release_abandoned() == 1
    assert not Instance.objects.get(pk=old.pk).draining
    assert Instance.objects.get(pk=fresh.pk).draining


@pytest.mark.django_db(transaction=True)
def test_among_real_requests_of_three_processes_nothing_is_unloaded_under_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are unloaded and loaded again at random moments, as often as fits into some seconds."""
    monkeypatch.setattr(draining, "LOOK_SECONDS", 0.02)
    server, traffic, dice = make_server(), Traffic(), random.Random(4)
    models = [make_model(server=server, key=f"copy{number}") for number in range(3)]
    rounds, until = 0, time.monotonic() + (300 if SOAK else 4)
    carriers = [Carrier(server, traffic, seed=seed, busy=dice.choice([0.05, 0.5])) for seed in range(3)]
    with carriers[0], carriers[1], carriers[2]:
        while time.monotonic() < until:
            model = dice.choice(models)
            copy = Instance.objects.create(server=server, model=model, instance_id=f"{model.key}:{rounds}")
            key = draining.key_of(server.pk, copy.instance_id)
            time.sleep(dice.uniform(0, 0.2))
            if draining.drained(copy, timeout=2):
                traffic.unload(key)
                copy.delete()
                rounds += 1
    assert traffic.broken == []
    assert rounds >= 5
    assert sum(traffic.served.values()) >= 10


def test_who_is_stopped_while_waiting_lets_it_have_requests_again(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = make_copy()
    process(instance, requests=1)

    class Stopped(BaseException):
        pass

    def stop(_: float) -> None:
        raise Stopped

    monkeypatch.setattr("registry.draining.time.sleep", stop)
    with pytest.raises(Stopped):
        draining.drained(instance, timeout=9)
    assert Instance.objects.get(pk=instance.pk).draining is None
