"""Trends, metrics, reports and statistics, from rollups only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry import recording, usage_reports
from registry.models import InferenceRecord, LanguageModel, Registry, Rollup
from registry.models.usage import Outcome
from tests.builders import make_model
from tests.inferences import SECOND, ask, inference

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def today() -> Iterator[date]:
    """The last day of February of a leap year, shortly before noon."""
    now = datetime(2024, 2, 29, 11, 30, tzinfo=UTC)
    with mock.patch.object(timezone, "now", return_value=now):
        yield now.date()


def default() -> Registry:
    return Registry.objects.default()


def report(start: str | None = None, end: str | None = None, models: list[str] | None = None) -> dict[str, Any]:
    return usage_reports.report(default(), start, end, models).as_dict()


def test_trends_are_over_the_last_days_and_the_month_so_far(today: date) -> None:
    model = make_model()
    ask(model, "2024-02-28T23:59:59.999999", times=3)
    ask(model, "2024-02-29T00:00:00")
    ask(model, "2024-01-31T23:59:59", times=9)
    told = usage_reports.trends(model, days=2).as_dict()
    assert (told["daily_avg"], told["peak_day"], told["peak_requests"]) == (2.0, "2024-02-28", 3)
    assert (told["monthly_tokens"], told["total_tokens"]) == (160, 160)
    assert [(day["date"], day["inferences"]) for day in told["days"]] == [("2024-02-28", 3), ("2024-02-29", 1)]


def test_trends_of_nothing_are_zeros_without_a_peak(today: date) -> None:
    told = usage_reports.trends(make_model(), days=366).as_dict()
    assert (told["daily_avg"], told["peak_day"], told["monthly_tokens"]) == (0.0, None, 0)
    assert (len(told["days"]), told["days"][0]["date"]) == (366, "2023-03-01")


@pytest.mark.parametrize("days", [0, -1, 3_661])
def test_a_number_of_days_that_cannot_be_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 to 3,660"):
        usage_reports.trends(None, days)


def test_metrics_are_times_rates_and_counts() -> None:
    model = make_model()
    ask(model, times=17, ttft_us=SECOND // 4, stream=True)
    ask(model, duration_us=3 * SECOND)
    ask(model, duration_us=30 * SECOND, outcome=Outcome.ERROR)
    ask(model, duration_us=None, outcome=Outcome.INTERRUPTED)
    told = usage_reports.metrics(model).as_dict()
    assert told["success_rate"] == 0.9
    assert (told["errors"], told["interrupted"], told["refused"], told["total_inferences"]) == (1, 1, 0, 20)
    assert told["avg_response_time"] == pytest.approx(20 / 18)  # of those that were answered
    assert told["p50_time_to_first_token"] == pytest.approx(0.25, rel=0.02)


def test_metrics_of_nothing_are_unknown() -> None:
    told = usage_reports.metrics(make_model()).as_dict()
    known = {name: value for name, value in told.items() if value is not None}
    assert known == dict.fromkeys(("total_inferences", "answered", "errors", "refused", "interrupted"), 0)


def test_percentiles_are_within_two_percent_of_exact() -> None:
    model, chance = make_model(), Random(7)
    times = [int(chance.lognormvariate(13, 1.2)) + 1 for _ in range(5_000)]
    recording.record([inference(model, duration_us=each) for each in times])
    told, exact = usage_reports.metrics(model).as_dict(), sorted(times)
    for percent in (50, 95, 99):
        wanted = exact[-(-len(exact) * percent // 100) - 1] / SECOND
        assert told[f"p{percent}_response_time"] == pytest.approx(wanted, rel=0.02)


def test_throughput_of_unsplit_tokens_is_all_tokens_by_all_time() -> None:
    model = make_model()
    fields = {"tokens_processed": 245, "inference_time": 5.7}
    recording.record_inference(default(), model.key, fields)
    assert usage_reports.metrics(model).as_dict()["tokens_per_second"] == pytest.approx(245 / 5.7)


def test_a_report_counts_both_of_its_ends_and_nothing_beyond() -> None:
    model = make_model()
    for at in ("2023-12-31T23:59:59.999999", "2024-01-01", "2024-01-31T23:59:59.999999", "2024-02-01"):
        ask(model, at)
    told = report("2024-01-01", "2024-01-31")
    assert (told["total_inferences"], told["period"]) == (2, "2024-01-01 to 2024-01-31")
    assert (told["total_tokens"], told["avg_latency"], len(told["days"])) == (80, 1.0, 31)


def test_the_29th_of_february_is_a_day_in_leap_years_only() -> None:
    ask(make_model(), "2024-02-29T12:00:00")
    assert report("2024-02-29", "2024-02-29")["total_inferences"] == 1
    assert len(report("2024-01-01", "2024-12-31")["days"]) == 366
    with pytest.raises(ValueError, match="2023-02-29 is no day; write it like"):
        report("2023-02-29")


def test_the_most_used_model_comes_first() -> None:
    rare, common = make_model(key="rare"), make_model(key="common")
    ask(rare, "2024-01-02", duration_us=9 * SECOND)
    ask(common, "2024-01-02", times=3)
    told = report("2024-01-01", "2024-01-31")
    assert told["most_used_model"] == "common"
    assert [(line["model"], line["inferences"], line["share"]) for line in told["models"]] == [
        ("common", 3, 0.75), ("rare", 1, 0.25),
    ]  # fmt: skip


def test_a_report_of_some_models_sums_only_these_and_shows_one_without_requests() -> None:
    chosen, other, idle = (make_model(key=key) for key in ("chosen", "other", "idle"))
    ask(chosen, "2024-01-02", times=2)
    ask(other, "2024-01-02", times=5)
    told = report("2024-01-01", "2024-01-31", ["chosen", "idle"])
    assert (told["total_inferences"], sum(day["inferences"] for day in told["days"])) == (2, 2)
    assert [(line["model"], line["inferences"]) for line in told["models"]] == [("chosen", 2), (idle.key, 0)]


def test_a_report_of_an_empty_period_has_no_most_used_model() -> None:
    told = report("2019-01-01", "2019-01-31")
    assert [told[name] for name in ("total_inferences", "most_used_model", "avg_latency", "models")] == [
        0,
        None,
        None,
        [],
    ]


def test_a_model_that_is_gone_keeps_its_line_under_its_key() -> None:
    model = make_model(key="old-friend")
    ask(model, "2024-01-02", times=2)
    LanguageModel.objects.all().delete()
    (line,) = report("2024-01-01", "2024-01-31")["models"]
    assert (line["model"], line["name"], line["gone"]) == ("old-friend", "a model that is gone (old-friend)", True)
    assert report("2024-01-01", "2024-01-31", ["old-friend"])["total_inferences"] == 2


def test_a_model_that_is_gone_with_its_records_is_told_by_number() -> None:
    model = make_model()
    ask(model, "2024-01-02")
    pk = model.pk
    InferenceRecord.objects.all().delete()
    LanguageModel.objects.all().delete()
    (line,) = report("2024-01-01", "2024-01-31")["models"]
    assert line["name"] == f"a model that is gone (number {pk})"


def test_requests_for_a_model_that_nobody_knows_are_counted() -> None:
    ask(None, "2024-01-02", outcome=Outcome.REFUSED)
    told = report("2024-01-01", "2024-01-31")
    assert (told["total_inferences"], told["most_used_model"]) == (1, "a model that is not known")


def test_requests_to_models_of_other_registries_are_theirs() -> None:
    other = Registry.objects.create(name="other")
    ask(make_model(key="mine"), "2024-01-02")
    ask(make_model(key="theirs", registry=other), "2024-01-02", times=4)
    assert report("2024-01-01", "2024-01-31")["total_inferences"] == 1
    assert usage_reports.report(other, "2024-01-01", "2024-01-31").whole.requests == 4


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("yesterday", None, "yesterday is no day"),
        ("2024-02-01", "2024-01-01", "turn the two round"),
        ("2010-01-01", "2024-01-01", "is too long"),
        ("99999-01-01", None, "is no day"),
        ("2024-13-01", None, "is no day"),
        (None, "9999-12-31", "9999-12-31 is no day"),
        ("9998-01-01", "9998-01-02", "lies in the future"),
        (None, "9998-01-02", "lies in the future"),
    ],
)
def test_a_period_that_cannot_be_is_refused_in_a_sentence(start: str | None, end: str | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        report(start, end)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ValueError, match="There is no model named nonesuch in registry default"):
        report(models=["nonesuch"])


def test_without_dates_a_report_is_over_thirty_days(today: date) -> None:
    told = report()
    assert (told["start"], told["end"]) == ((today - timedelta(days=29)).isoformat(), today.isoformat())


def test_statistics_are_those_of_the_records_once_there_is_one() -> None:
    balance = {"inference_count": 127, "total_tokens_processed": 9_999, "last_used": "2024-01-15T09:45:00Z"}
    counted, fresh = make_model(opening_balance=balance), make_model(opening_balance=balance)
    ask(fresh, "2025-05-05T05:05:05", times=2)
    stats = usage_reports.usage_stats([counted, fresh])
    assert (stats[counted.pk]["inference_count"], stats[counted.pk]["total_inference_time"]) == (127, None)
    assert stats[fresh.pk] == {
        "inference_count": 2, "total_tokens_processed": 80, "avg_tokens_per_inference": 40.0,
        "total_inference_time": 2.0, "avg_time_per_inference": 1.0,
        "last_used": datetime(2025, 5, 5, 5, 5, 5, tzinfo=UTC),
    }  # fmt: skip


def test_where_records_were_deleted_the_day_of_the_last_one_is_known() -> None:
    model = make_model()
    ask(model, "2025-05-05T05:05:05")
    InferenceRecord.objects.all().delete()
    assert usage_reports.usage_stats([model])[model.pk]["last_used"] == datetime(2025, 5, 5, tzinfo=UTC)


def test_ten_thousand_models_are_reported_in_a_few_queries() -> None:
    here, server = default(), make_model().server
    keys = [f"m{number:05}" for number in range(10_000)]
    LanguageModel.objects.bulk_create(LanguageModel(registry=here, server=server, key=key, name=key) for key in keys)
    sums = {"scope": "model", "period": "day", "start": datetime(2024, 1, 2, tzinfo=UTC), "requests": 1, "ok": 1}
    models = LanguageModel.objects.filter(key__in=keys).values_list("pk", flat=True)
    Rollup.objects.bulk_create(Rollup(model_id=pk, durations={"700": 1}, **sums) for pk in models)
    with CaptureQueriesContext(connection) as queries:
        told = report("2024-01-01", "2024-01-31")
    assert (len(told["models"]), told["total_inferences"]) == (10_000, 10_000)
    assert len(queries) <= 6
