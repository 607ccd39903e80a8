"""The hub that hands announcements to event streams."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from registry import announcing
from registry.listening import MAX_PENDING, TICK, Change, Hub, Listener
from tests.brokers import client_of, running_broker

pytestmark = pytest.mark.broker
JOBS = frozenset({"job"})


@pytest.fixture(scope="module")
def broker_url() -> Iterator[str]:
    with running_broker() as url:
        yield url


@pytest.fixture
def broker(broker_url: str, settings: Any) -> Iterator[redis.Redis]:
    settings.REDIS_CLIENT_URL = broker_url
    with client_of(broker_url) as client:
        yield client


@pytest.fixture
def hub() -> Hub:
    return Hub()


def say(broker: redis.Redis, kind: str, number: int, **more: Any) -> None:
    broker.publish(announcing.CHANNEL, json.dumps({"kind": kind, "id": number, **more}))


async def until(listener: Listener, wanted: Change, seconds: float = 10) -> float:
    """Takes until `wanted` comes; gives the seconds that took."""
    began = time.monotonic()
    while wanted not in await listener.take(seconds):
        assert time.monotonic() - began < seconds, f"{wanted} did not come"
    return time.monotonic() - began


async def connected(hub: Hub, listener: Listener, broker: redis.Redis) -> None:
    while broker.pubsub_numsub(announcing.CHANNEL)[0][1] == 0:
        await asyncio.sleep(0.02)
    await until(listener, TICK)


def test_an_announcement_reaches_every_listener_at_once(hub: Hub, broker: redis.Redis) -> None:
    async def scene() -> list[float]:
        with hub.listener(JOBS) as first, hub.listener(JOBS) as second:
            await connected(hub, first, broker)
            say(broker, "job", 7, status="running")
            change = Change("job", {"id": 7, "status": "running"})
            return [await until(each, change) for each in (first, second)]

    assert max(asyncio.run(scene())) < 0.5


def test_other_kinds_and_nonsense_are_not_told(hub: Hub, broker: redis.Redis) -> None:
    async def scene() -> list[Change]:
        with hub.listener(JOBS) as listener:
            await connected(hub, listener, broker)
            for body in ("no json", "[1]", "{}", '{"kind": "server", "id": 1}'):
                broker.publish(announcing.CHANNEL, body)
            say(broker, "job", 7)
            return await listener.take(5)

    assert asyncio.run(scene()) == [Change("job", {"id": 7})]


def test_a_broker_that_comes_back_is_heard_again_after_a_tick(hub: Hub, broker: redis.Redis) -> None:
    async def scene() -> None:
        with hub.listener(JOBS) as listener:
            await connected(hub, listener, broker)
            broker.client_kill_filter(_type="pubsub")
            await until(listener, TICK)
            say(broker, "job", 8)
            await until(listener, Change("job", {"id": 8}))

    asyncio.run(scene())


def test_without_a_broker_there_are_only_ticks(hub: Hub, settings: Any, tmp_path: Path) -> None:
    settings.REDIS_CLIENT_URL = f"unix://{tmp_path}/nobody.sock"

    async def scene() -> list[Change]:
        with hub.listener(JOBS) as listener:
            return await listener.take(0.05)

    assert asyncio.run(scene()) == [TICK]


async def new_listener() -> Listener:
    return Listener(JOBS, asyncio.get_running_loop())


def test_one_object_that_changes_often_is_told_once_with_its_latest_state() -> None:
    async def scene() -> list[Change]:
        listener = await new_listener()
        for number, step in ((1, "a"), (2, "a"), (1, "b")):
            listener.put(Change("job", {"id": number, "step": step}))
        return await listener.take(1)

    assert [change.data for change in asyncio.run(scene())] == [{"id": 2, "step": "a"}, {"id": 1, "step": "b"}]


def test_a_slow_client_gets_a_tick_instead_of_a_flood() -> None:
    async def scene() -> list[Change]:
        listener = await new_listener()
        for number in range(MAX_PENDING + 1):
            listener.put(Change("job", {"id": number}))
        return await listener.take(1)

    assert asyncio.run(scene()) == [TICK]


def test_a_listener_whose_loop_has_ended_disturbs_nobody(hub: Hub) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    hub._listeners.add(Listener(JOBS, loop))
    hub.tell(Change("job", {"id": 1}))
    assert not hub._listeners
