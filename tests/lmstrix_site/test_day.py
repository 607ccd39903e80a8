"""The last 24 hours on the overview."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from lmstrix_site.pages import day
from registry import recording
from registry.models import Registry
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def recorded(hours_ago: float, **fields: object) -> None:
    make = {"tokens_processed": 100, "inference_time": 2.0, "success": True, **fields}
    at = (timezone.now() - timedelta(hours=hours_ago)).isoformat()
    recording.record_inference(Registry.objects.default(), "qwen", make | {"timestamp": at})


def test_the_day_is_told_beside_the_one_before() -> None:
    make_model(key="qwen")
    for hours_ago in (0, 3, 3, 30):
        recorded(hours_ago)
    recorded(5, success=False)
    told = day.day(Registry.objects.default(), timezone.now())
    assert told is not None
    assert (told.whole.requests, told.whole.unanswered, sum(told.requests), len(told.tokens)) == (4, 1, 4, 24)
    assert told.change == "300 % more than the day before"


def test_without_requests_the_overview_has_no_figures_of_a_day(admin_client: Client) -> None:
    make_model(key="qwen")
    assert day.day(Registry.objects.default(), timezone.now()) is None
    assert "Requests, 24 h" not in admin_client.get("/").content.decode()


def test_the_overview_shows_the_figures_of_the_day(admin_client: Client) -> None:
    make_model(key="qwen")
    recorded(1)
    assert "Requests, 24 h" in admin_client.get("/").content.decode()
