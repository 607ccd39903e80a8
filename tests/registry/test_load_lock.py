"""One load at a time on a server: of many at once one loads, and nobody makes a second copy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from pytest_django.fixtures import Settings

from registry import loading
from registry.load_lock import LoadBusy, busy_with, loading_on
from registry.models import Instance, LanguageModel, Server, StateChange
from tests.builders import make_model, make_server
from tests.scripted_lmstudio import LOAD, ScriptedLMStudio, model

# threads have connections of their own, so what a test writes has to be committed
pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

AT_ONCE = 50


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")], delays={LOAD: 0.3}) as server:
        yield server


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` gives in as many threads, which all begin together; an error is given, not raised."""
    start = threading.Barrier(count)

    def one(number: int) -> Any:
        start.wait()
        try:
            return work(number)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_fifty_loads_at_once_make_one_copy(studio: ScriptedLMStudio) -> None:
    qwen = make_model(key="qwen", server=make_server(base_url=studio.url))
    copies = at_once(AT_ONCE, lambda _: loading.load(LanguageModel.objects.get(pk=qwen.pk), context=4096))
    assert {getattr(copy, "pk", copy) for copy in copies} == {Instance.objects.get().pk}
    assert (len(studio.calls(LOAD)), studio.instances()) == (1, ["qwen"])
    assert list(StateChange.objects.order_by("pk").values_list("new", flat=True)) == ["loading", "loaded"]


def test_loads_and_unloads_at_once_never_make_a_second_copy(studio: ScriptedLMStudio) -> None:
    studio.behaviour.delays = {LOAD: 0.02}
    server = make_server(base_url=studio.url)
    keys = [make_model(key=key, server=server).pk for key in ("qwen", "gemma")]
    most: list[int] = []

    def work(number: int) -> None:
        each = LanguageModel.objects.get(pk=keys[number % 2])
        copy = loading.load(each, context=2048 * (1 + number % 3))
        most.append(max(studio.instances().count(key) for key in ("qwen", "gemma")))
        assert not [name for name in studio.instances() if ":" in name]
        if number % 4 == 0:
            loading.unload(copy)

    faults = [error for error in at_once(12, work) if error is not None]
    assert (faults, max(most)) == ([], 1)


def test_two_servers_do_not_wait_for_each_other() -> None:
    first, second = make_server(), make_server()
    with loading_on(first, "loading qwen"), loading_on(second, "loading gemma", wait_seconds=0):
        assert (busy_with(first), busy_with(second)) == ("loading qwen", "loading gemma")
    assert (busy_with(first), busy_with(second)) == ("", "")


def test_who_waits_too_long_is_told_what_is_under_way() -> None:
    server = make_server(name="shelf")
    with (
        loading_on(server, "loading qwen"),
        pytest.raises(LoadBusy, match="shelf is busy loading qwen; try again"),
        loading_on(server, "unloading gemma", wait_seconds=0.3),
    ):
        raise AssertionError("two had it")


def test_who_waits_can_be_called_away() -> None:
    def look() -> None:
        raise InterruptedError

    server = make_server()
    with (
        loading_on(server, "loading qwen"),
        pytest.raises(InterruptedError),
        loading_on(server, "unloading gemma", look=look),
    ):
        raise AssertionError("two had it")


def test_the_lock_of_a_dead_process_runs_out() -> None:
    server = make_server()
    Server.objects.update(load_lease="dead", load_until=Now() - timedelta(seconds=1), load_what="loading qwen")
    assert busy_with(server) == ""
    with loading_on(server, "loading gemma", wait_seconds=0):
        assert busy_with(server) == "loading gemma"


def test_it_is_renewed_while_it_is_held(settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS, settings.STALE_SECONDS = 0.05, 0.3
    server = make_server()
    with loading_on(server, "loading qwen") as lock:
        time.sleep(0.6)
        lock.check()
        assert busy_with(server) == "loading qwen"


def test_who_lost_it_notices_and_does_not_free_it_for_others(settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS = 0.05
    server = make_server()
    with loading_on(server, "loading qwen") as lock:
        Server.objects.update(load_lease="another", load_what="loading gemma")
        time.sleep(0.3)
        with pytest.raises(LoadBusy, match="loading gemma"):
            lock.check()
    assert Server.objects.get().load_lease == "another"


def test_a_deleted_server_is_not_waited_for() -> None:
    server = make_server(name="shelf")
    Server.objects.all().delete()
    with pytest.raises(ValueError, match="shelf was deleted meanwhile"), loading_on(server, "loading qwen"):
        raise AssertionError("it was locked")
