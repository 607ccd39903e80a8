"""Sums of requests: what they count, and that those added to live equal those derived from the records."""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from registry import recording, rolling_up, tasks
from registry.models import InferenceRecord, Retention, Rollup
from registry.models.usage import Outcome
from registry.sketches import Sketch

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NOON = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)


def make_record(**fields: Any) -> InferenceRecord:
    """An answered stream at noon: 100 tokens out in 2 s, the first after 0.5 s."""
    usual = {
        "uuid": uuid4(), "model_id": 1, "server_id": 2, "token_id": 3, "model_key": "m", "started": NOON,
        "stream": True, "duration_us": 2_000_000, "ttft_us": 500_000, "tokens_in": 20, "tokens_out": 100,
    }  # fmt: skip
    return InferenceRecord(**(usual | fields))


def rollups() -> dict[tuple[Any, ...], dict[str, Any]]:
    """All of them, whole."""
    return {
        (row.pop("scope"), row.pop("period"), row.pop("model_id"), row.pop("token_id"), row.pop("server_id"),
         row.pop("start")): row
        for row in ({k: v for k, v in each.items() if k != "id"} for each in Rollup.objects.values())
    }  # fmt: skip


def rollup(**key: Any) -> Rollup:
    return Rollup.objects.get(**({"scope": "all", "period": "hour"} | key))


def test_a_record_is_in_every_scope_by_hour_and_day() -> None:
    recording.record([make_record()])
    hour, day = NOON.replace(minute=0), NOON.replace(hour=0, minute=0)
    assert set(rollups()) == {
        (scope, period, *ids, start)
        for scope, ids in {"all": (0, 0, 0), "model": (1, 0, 0), "token": (0, 3, 0), "cell": (1, 3, 2)}.items()
        for period, start in {"hour": hour, "day": day}.items()
    }
    assert len({str(each) for each in rollups().values()}) == 1


def test_what_is_not_known_counts_as_number_zero() -> None:
    recording.record([make_record(model_id=None, server_id=None, token_id=None)])
    assert {key[2:5] for key in rollups()} == {(0, 0, 0)}


def test_outcomes_and_tokens_are_counted() -> None:
    recording.record([make_record(outcome=outcome) for outcome in Outcome])
    row = rollup()
    assert (row.requests, row.ok, row.errors, row.refused, row.interrupted) == (4, 1, 1, 1, 1)
    assert (row.tokens_in, row.tokens_out, row.tokens_unsplit) == (80, 400, 0)


def test_only_answers_tell_times() -> None:
    recording.record([make_record(), make_record(outcome=Outcome.REFUSED, duration_us=100, ttft_us=None)])
    row = rollup()
    assert (row.duration_us, row.duration_count, row.ttft_us, row.ttft_count) == (2_000_000, 1, 500_000, 1)
    assert sum(row.durations.values()) == sum(row.ttfts.values()) == 1


def test_throughput_is_measured_after_the_first_token_of_a_stream() -> None:
    recording.record([make_record()])
    row = rollup()
    assert (row.generated_tokens, row.generation_us) == (100, 1_500_000)


@pytest.mark.parametrize("fields", [{"stream": False}, {"ttft_us": None}])
def test_without_a_first_token_it_is_measured_over_the_whole_time(fields: dict[str, Any]) -> None:
    recording.record([make_record(**fields)])
    row = rollup()
    assert (row.generated_tokens, row.generation_us) == (100, 2_000_000)


def test_tokens_told_as_one_number_tell_throughput_too() -> None:
    recording.record([make_record(tokens_in=None, tokens_out=None, tokens_unsplit=245, ttft_us=None)])
    assert (rollup().generated_tokens, rollup().tokens_unsplit) == (245, 245)


def test_a_day_begins_at_midnight_utc() -> None:
    there = datetime.fromisoformat("2026-03-05T01:30:00+02:00")
    recording.record([make_record(started=there)])
    assert rollup(period="day").start == datetime(2026, 3, 4, tzinfo=UTC)
    assert rollup().start == datetime(2026, 3, 4, 23, tzinfo=UTC)


optional_number = st.one_of(st.none(), st.integers(0, 2**40))
records = st.builds(
    make_record,
    uuid=st.integers(1, 60).map(lambda number: UUID(int=number)),
    model_id=st.sampled_from([None, 1, 2]),
    server_id=st.sampled_from([None, 1]),
    token_id=st.sampled_from([None, 1, 7]),
    outcome=st.sampled_from(Outcome),
    stream=st.booleans(),
    started=st.datetimes(datetime(2026, 2, 27), datetime(2026, 3, 2), timezones=st.just(UTC)),
    duration_us=optional_number,
    ttft_us=optional_number,
    tokens_in=optional_number,
    tokens_out=optional_number,
    tokens_unsplit=optional_number,
)


class AnyRecordsTests(TestCase):
    """Hypothesis needs the database rolled back after each example."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.lists(records, max_size=8), max_size=6))
    def test_sums_added_to_live_equal_those_derived_anew(self, batches: list[list[InferenceRecord]]) -> None:
        new = sum(recording.record(batch) for batch in batches)
        live = rollups()
        assert sum(row["requests"] for key, row in live.items() if key[:2] == ("all", "hour")) == new
        assert rolling_up.rederive() == []
        Rollup.objects.all().delete()
        rolling_up.rederive()
        assert rollups() == live


def test_what_does_not_equal_its_records_is_mended_and_told() -> None:
    recording.record([make_record(), make_record(started=NOON + timedelta(days=1))])
    right = rollups()
    Rollup.objects.filter(scope="model", start__lt=NOON).update(requests=9, durations={})
    Rollup.objects.filter(scope="token", period="hour", start__lt=NOON).delete()
    Rollup.objects.create(scope="cell", period="hour", model_id=99, start=NOON)
    assert len(rolling_up.rederive(NOON, NOON + timedelta(hours=1))) == 4
    assert rollups() == right


def test_sums_stay_when_their_records_are_not_kept_any_more() -> None:
    now = timezone.now()
    recording.record([make_record(started=now - timedelta(days=back)) for back in (1, 40)])
    Retention.objects.create(record_days=30)
    before = rollups()
    InferenceRecord.objects.filter(started__lt=now - timedelta(days=30)).delete()
    assert rolling_up.rederive(now - timedelta(days=60)) == []
    assert rollups() == before


def test_percentiles_of_merged_days_are_within_two_percent_of_the_exact_ones() -> None:
    chance = Random(8)
    times = [round(chance.lognormvariate(14, 1.3)) for _ in range(600)] + [60_000_000] * 40
    recording.record([make_record(started=NOON - timedelta(hours=n), duration_us=us) for n, us in enumerate(times)])
    merged = Sketch()
    for told in Rollup.objects.filter(scope="all", period="day").values_list("durations", flat=True):
        merged.merge(Sketch.from_json(told))
    ordered = sorted(times)
    for q in (0.5, 0.95, 0.99):
        assert merged.quantile(q) == pytest.approx(ordered[math.ceil(q * len(ordered)) - 1], rel=0.02)


def test_every_night_yesterdays_sums_are_checked(caplog: pytest.LogCaptureFixture) -> None:
    recording.record([make_record(started=timezone.now() - timedelta(days=1))])
    Rollup.objects.filter(scope="all", period="day").update(ok=5)
    with caplog.at_level(logging.INFO, "registry"):
        tasks.check_rollups()
        tasks.check_rollups()
    assert "1 differed" in caplog.text
    assert "0 differed" in caplog.text
    assert rollup(period="day").ok == 1


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_lose_and_double_nothing() -> None:
    chance = Random(4)
    shared = [make_record(model_id=chance.randrange(3), duration_us=chance.randrange(10**7)) for _ in range(120)]

    def write(seed: int) -> int:
        try:
            mine = Random(seed).sample(shared, len(shared))
            return sum(recording.record(mine[start : start + 10]) for start in range(0, len(mine), 10))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(write, range(4)))
    assert sum(new) == InferenceRecord.objects.count() == rollup().requests == 120
    assert rolling_up.rederive() == []
