"""Requests per minute and tokens per day."""

from __future__ import annotations

from typing import Any

import pytest

from registry.gateway.limits import Limits
from registry.gateway.refusals import Refusal
from registry.gateway.routes import TokenRoute

NOON = 20_000 * 86_400 + 43_200


def token(**fields: Any) -> TokenRoute:
    return TokenRoute(1, "ci", "operator", True, 1, **fields)


class Clock:
    def __init__(self) -> None:
        self.now = float(NOON)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limits:
    return Limits(clock=clock, now=clock)


def test_requests_over_the_limit_wait_until_the_first_is_a_minute_old(limits: Limits, clock: Clock) -> None:
    limited = token(requests_per_minute=2)
    limits.admit(limited)
    clock.now += 10
    limits.admit(limited)
    with pytest.raises(Refusal, match="2 requests per minute; try again in 51 s") as caught:
        limits.admit(limited)
    assert caught.value.status == 429
    assert (b"retry-after", b"51") in caught.value.headers
    clock.now += 50
    limits.admit(limited)


def test_tokens_over_the_limit_wait_until_midnight(limits: Limits, clock: Clock) -> None:
    limited = token(tokens_per_day=100)
    limits.admit(limited)
    limits.spend(limited, 100)
    with pytest.raises(Refusal, match="used 100 of its 100 tokens of today") as caught:
        limits.admit(limited)
    assert (b"retry-after", b"43200") in caught.value.headers
    clock.now += 43_200
    limits.admit(limited)


def test_what_the_database_knows_counts_once(limits: Limits) -> None:
    limits.admit(token(tokens_per_day=100, spent=40))
    limits.spend(token(tokens_per_day=100, spent=40), 50)
    limits.admit(token(tokens_per_day=100, spent=90))  # the same 50, written by now
    with pytest.raises(Refusal):
        limits.admit(token(tokens_per_day=100, spent=120))  # another process carried 30 more


def test_a_token_without_limits_has_none(limits: Limits) -> None:
    for _ in range(1000):
        limits.admit(token())
        limits.spend(token(), 10**9)
