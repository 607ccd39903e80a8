"""A registry in numbers."""

from __future__ import annotations

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from registry import counting
from registry.models import Registry
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_models_are_counted_by_status_type_and_server() -> None:
    desk = make_server(name="desk")
    make_model(server=desk, test_status="tested", tested_context=1000, size_bytes=5)
    make_model(server=desk, test_status="tested", tested_context=2001, type="code", stale=True, size_bytes=None)
    make_model(server=desk, test_status="failed", type="", size_bytes=6)
    make_model(test_status="testing", missing=True)
    found = counting.statistics(Registry.objects.default())
    assert (found["total_models"], found["tested_models"], found["failed_tests"], found["testing_models"]) == (
        3,
        2,
        1,
        0,
    )
    assert (found["missing_models"], found["stale_tests"], found["untested_models"]) == (1, 1, 0)
    assert (found["avg_context_limit"], found["total_size_bytes"]) == (1500, 11)
    assert (found["types"], found["servers"]) == ({"chat": 1, "code": 1, "unknown": 1}, {"desk": 3})


def test_inferences_are_those_that_came_with_files() -> None:
    make_model(opening_balance={"inference_count": 40})
    make_model(opening_balance={"inference_count": 2, "total_tokens_processed": 9})
    make_model()
    assert counting.statistics(Registry.objects.default())["total_inference_count"] == 42


def test_the_largest_numbers_are_summed() -> None:
    for _ in range(2):
        make_model(size_bytes=2**63 - 1, opening_balance={"inference_count": 2**63 - 1})
    found = counting.statistics(Registry.objects.default())
    assert found["total_size_bytes"] == found["total_inference_count"] == 2**64


def test_an_empty_registry_has_no_averages() -> None:
    now = timezone.now()
    registry = Registry.objects.create(name="empty", last_scan=now)
    found = counting.statistics(registry)
    assert (found["total_models"], found["avg_context_limit"], found["total_inference_count"]) == (0, None, None)
    assert found["last_scan"] == now


def test_it_takes_three_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    registry = Registry.objects.default()
    with django_assert_num_queries(3):
        counting.statistics(registry)
