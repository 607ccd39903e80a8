"""Jobs on their pages: open ones first, ended ones with their result, cancel and retry."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import Job, Registry, Role, Scan
from tests.builders import make_job, make_server, make_test, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role=Role.OPERATOR))
    return client


def test_open_jobs_come_first_with_progress_and_cancel(page: Client) -> None:
    make_job(status="succeeded", title="done")
    make_job(status="running", title="going", progress=0.4, message="asking", started=timezone.now())
    text = page.get("/jobs/").content.decode()
    assert "One job under way" in text
    assert text.index("going") < text.index("done")
    assert 'aria-valuenow="40"' in text
    assert "data-seconds" in text


def test_the_status_filter_shows_only_that_status(page: Client) -> None:
    make_job(status="failed", title="broke")
    make_job(status="succeeded", title="done")
    text = page.get("/jobs/?status=failed").content.decode()
    assert "broke" in text
    assert "done</a>" not in text


def test_children_are_on_the_page_of_their_parent_only(page: Client) -> None:
    parent = make_job(kind="scans", title="3 servers")
    make_job(title="mac-studio", parent=parent)
    assert "mac-studio" not in page.get("/jobs/").content.decode()
    assert "mac-studio" in page.get(f"/jobs/{parent.pk}/").content.decode()


def test_a_job_leads_to_what_it_found(page: Client) -> None:
    test, server = make_test(), make_server()
    scan = Scan.objects.create(job=make_job(status="succeeded"), server=server, registry=Registry.objects.default())
    assert f'href="/context-tests/{test.pk}/"' in page.get(f"/jobs/{test.job_id}/").content.decode()
    assert f'href="/servers/{server.pk}/"' in page.get(f"/jobs/{scan.job_id}/").content.decode()


def test_cancel_asks_the_job_to_end(page: Client) -> None:
    job = make_job(status="running")
    page.post(f"/jobs/{job.pk}/cancel/")
    assert Job.objects.get().cancel_requested


def test_retry_queues_a_failed_job_again(page: Client) -> None:
    job = make_job(status="failed", error="x")
    page.post(f"/jobs/{job.pk}/retry/")
    assert Job.objects.get().status == "queued"


def test_an_operator_does_not_retry_what_takes_an_admin(page: Client) -> None:
    job = make_job(kind="restore", status="failed")
    assert page.post(f"/jobs/{job.pk}/retry/").status_code == 403
    assert Job.objects.get().status == "failed"


def test_retry_of_a_job_that_went_well_says_why_not(page: Client) -> None:
    job = make_job(status="succeeded")
    assert "Only a failed or cancelled job" in page.post(f"/jobs/{job.pk}/retry/", follow=True).content.decode()


def test_the_live_part_is_a_fragment(page: Client) -> None:
    job = make_job()
    for address in ("/jobs/live/", f"/jobs/{job.pk}/live/"):
        assert "<html" not in page.get(address).content.decode()


def test_an_ended_job_is_no_longer_asked_for(page: Client) -> None:
    job = make_job(status="failed")
    assert f'hx-get="/jobs/{job.pk}/live/"' not in page.get(f"/jobs/{job.pk}/").content.decode()


def test_without_jobs_the_page_says_what_to_do(page: Client) -> None:
    assert "No job so far" in page.get("/jobs/").content.decode()


def test_queries_do_not_grow_with_jobs(page: Client) -> None:
    counts = []
    for _ in range(2):
        for _ in range(5):
            make_job(status="failed", parent=None)
            make_test()
            make_job()
        with CaptureQueriesContext(connection) as queries:
            page.get("/jobs/")
            counts.append(len(queries))
    assert counts[0] == counts[1] > 0
