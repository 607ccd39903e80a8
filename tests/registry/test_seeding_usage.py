"""A year of requests for show: their number, their shape, their sums."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Avg, Sum
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay
from django.utils import timezone

from registry import rolling_up
from registry.models import ApiToken, InferenceRecord, Rollup

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def seed(**options: object) -> dict[str, object]:
    output = StringIO()
    call_command("seed_demo", stdout=output, json=True, **options)
    told: dict[str, object] = json.loads(output.getvalue())
    return told


def test_as_many_requests_as_asked_for_are_spread_over_a_year() -> None:
    told = seed(models=50, records=400)
    assert (told["models"], told["records"], InferenceRecord.objects.count()) == (50, 400, 400)
    first, last = InferenceRecord.objects.order_by("started")[0], InferenceRecord.objects.latest("started")
    assert timezone.now() - first.started > timedelta(days=340)
    assert timezone.now() - timedelta(days=9) < last.started < timezone.now()


def test_their_sums_equal_those_derived_from_them() -> None:
    seed(models=50, records=150)
    assert Rollup.objects.filter(scope="all", period="day").aggregate(all=Sum("requests")) == {"all": 150}
    assert rolling_up.rederive() == []


def test_nights_and_weekends_are_quiet() -> None:
    seed(models=50, records=600)
    rows = InferenceRecord.objects.annotate(hour=ExtractHour("started"), day=ExtractIsoWeekDay("started"))
    assert rows.filter(hour__in=(0, 1, 2, 3, 4)).count() * 10 < rows.filter(hour__in=(9, 10, 13, 14, 15)).count()
    assert rows.filter(day__in=(6, 7)).count() * 4 < rows.filter(day__lte=5).count()


def test_most_are_answered_in_a_time_that_fits_the_model() -> None:
    seed(models=50, records=400)
    answered = InferenceRecord.objects.filter(outcome="ok")
    assert 370 < answered.count() < 400
    assert 10**5 < answered.aggregate(mean=Avg("duration_us"))["mean"] < 10**8


def test_a_second_time_adds_requests_to_the_models_there_are() -> None:
    seed(models=50, records=60)
    assert seed(records=40)["models"] == 0
    assert InferenceRecord.objects.count() == 100


def test_its_tokens_open_nothing() -> None:
    seed(models=50, records=100)
    assert ApiToken.objects.count() == 3
    assert not ApiToken.objects.usable().exists()


@pytest.mark.parametrize("records", [-1, 10**9])
def test_an_impossible_number_is_refused(records: int) -> None:
    with pytest.raises(CommandError, match="Ask for 1 to 100,000,000"):
        seed(models=10, records=records)
