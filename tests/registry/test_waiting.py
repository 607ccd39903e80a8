"""Waiting for a request in flight."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from registry.waiting import wait_for


class Stop(Exception):
    """What a look may raise."""


async def answer_after(seconds: float, value: int = 7) -> int:
    await anyio.sleep(seconds)
    return value


def raiser(error: Exception) -> Callable[[], None]:
    def look() -> None:
        raise error

    return look


def test_the_answer_is_given() -> None:
    assert wait_for(lambda: answer_after(0)) == 7


def test_an_error_of_the_call_is_raised_here() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wait_for(fail)


def test_the_caller_looks_around_while_it_waits() -> None:
    looks: list[str] = []
    wait_for(lambda: answer_after(0.2), lambda: looks.append(threading.current_thread().name), every=0.02)
    assert len(looks) >= 3
    assert set(looks) == {threading.current_thread().name}


def test_what_a_look_raises_cancels_the_call_at_once() -> None:
    ended: list[str] = []

    async def call() -> None:
        try:
            await anyio.sleep(30)
        finally:
            ended.append("cancelled")

    began = time.monotonic()
    with pytest.raises(Stop):
        wait_for(call, raiser(Stop()), every=0.05)
    assert (ended, time.monotonic() - began < 2) == (["cancelled"], True)


def test_a_call_that_resists_its_cancel_is_left_behind() -> None:
    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2.5)

    began = time.monotonic()
    with pytest.raises(Stop):
        wait_for(stubborn, raiser(Stop()), every=0.05)
    assert time.monotonic() - began < 5


def test_many_threads_wait_at_once() -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda value: wait_for(lambda: answer_after(0.3, value)), range(16)))
    assert found == list(range(16))
    assert time.monotonic() - began < 3


def test_no_thread_stays_behind() -> None:
    wait_for(lambda: answer_after(0))
    before = threading.active_count()
    for _ in range(5):
        wait_for(lambda: answer_after(0))
    assert threading.active_count() <= before
