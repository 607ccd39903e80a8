"""The list of context tests: running ones on top, then the latest."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.builders import make_job, make_model, make_probe, make_test, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role="operator"))
    return client


def text(page: Client, address: str = "/context-tests/") -> str:
    return page.get(address).content.decode()


def test_the_latest_test_comes_first_with_its_verdict(page: Client) -> None:
    make_test(model=make_model(key="first-tried"))
    make_test(model=make_model(key="tried-last"), verdict="out of memory", tested_context=None)
    shown = text(page)
    assert shown.index("tried-last") < shown.index("first-tried")
    assert 'verdict-bad">out of memory' in shown


def test_a_running_test_is_on_top_with_what_works_so_far(page: Client) -> None:
    job = make_job(kind="context_test", status="running", started=timezone.now(), progress=0.5, message="filling")
    test = make_test(job=job, verdict="", tested_context=None)
    make_probe(test=test, requested=4096, applied=4096)
    shown = text(page)
    assert "One test under way" in shown
    assert "4,096 works so far" in shown
    assert f"/jobs/{job.pk}/cancel/" in shown


def test_a_test_whose_job_is_gone_is_still_shown(page: Client) -> None:
    test = make_test()
    test.job.delete()  # type: ignore[union-attr]
    assert "verified" in text(page)


def test_a_failed_test_without_a_verdict_shows_how_its_job_went(page: Client) -> None:
    make_test(job=make_job(status="failed", error="the server is gone"), verdict="", tested_context=None)
    assert "the server is gone" in text(page)


def test_untested_models_can_be_tested_from_here(page: Client) -> None:
    make_model()
    assert "One model never tested" in text(page)
    assert "/context-tests/start/untested/" in text(page)


def test_without_tests_the_page_says_how_to_start(page: Client) -> None:
    assert "No context test yet" in text(page)


def test_the_live_part_is_a_fragment(page: Client) -> None:
    assert "<html" not in text(page, "/context-tests/live/")


def test_queries_do_not_grow_with_tests(page: Client) -> None:
    counts = []
    for _ in range(2):
        for _ in range(5):
            make_test()
        with CaptureQueriesContext(connection) as queries:
            page.get("/context-tests/")
            counts.append(len(queries))
    assert counts[0] == counts[1] > 0
