"""Jobs over REST."""

from __future__ import annotations

from typing import Any

import pytest

from registry.models import Job, Role
from registry.models.job import JobStatus
from tests.api_clients import ApiClient
from tests.builders import make_job, make_test

pytestmark = [pytest.mark.django_db, pytest.mark.database]

FIELDS = ["id", "kind", "status", "progress", "message", "error", "parent", "object", "created", "started", "ended"]


@pytest.fixture
def operator() -> ApiClient:
    return ApiClient(Role.OPERATOR)


def test_a_job_has_every_promised_field(operator: ApiClient) -> None:
    shown = operator.read(f"/api/jobs/{make_job().pk}")
    assert shown.keys() >= set(FIELDS)
    assert (shown["error"], shown["parent"], shown["object"]) == (None, None, None)


def test_a_job_names_what_it_works_on(operator: ApiClient) -> None:
    test = make_test()
    shown = operator.read(f"/api/jobs/{test.job_id}")
    assert shown["object"] == {"type": "context-test", "id": test.pk}
    assert operator.get("/api/{type}s/{id}".format(**shown["object"])).status_code == 200


def test_jobs_come_newest_first_and_filtered(operator: ApiClient) -> None:
    parent = make_job(kind="scans")
    children = [make_job(parent=parent, status=status) for status in ("queued", "failed")]
    assert [each["id"] for each in operator.read("/api/jobs")["items"]] == [children[1].pk, children[0].pk, parent.pk]
    assert len(operator.read("/api/jobs", parent=parent.pk)["items"]) == 2
    assert [each["id"] for each in operator.read("/api/jobs", status="failed")["items"]] == [children[1].pk]
    assert [each["children"] for each in operator.read("/api/jobs", kind="scans")["items"]] == [2]


def test_cancelling_a_parent_cancels_its_children(operator: ApiClient) -> None:
    parent = make_job()
    child = make_job(parent=parent, status="queued")
    answer = operator.send("POST", f"/api/jobs/{parent.pk}/cancel")
    child.refresh_from_db()
    assert (answer.status_code, answer.json()["job"]["cancel_requested"]) == (202, True)
    assert child.status == JobStatus.CANCELLED


def test_a_job_that_is_over_is_not_cancelled(operator: ApiClient) -> None:
    assert operator.send("POST", f"/api/jobs/{make_job(status='succeeded').pk}/cancel").status_code == 409


def test_a_failed_job_is_queued_again(operator: ApiClient) -> None:
    job = make_job(status="failed", error="no")
    answer = operator.send("POST", f"/api/jobs/{job.pk}/retry")
    assert (answer.status_code, answer.json()["job"]["status"], answer.json()["job"]["error"]) == (202, "queued", None)


def test_a_change_of_a_whole_registry_is_retried_by_an_admin_only(operator: ApiClient) -> None:
    job = make_job(kind="restore", status="cancelled")
    assert operator.send("POST", f"/api/jobs/{job.pk}/retry").status_code == 403
    assert ApiClient(Role.ADMIN).send("POST", f"/api/jobs/{job.pk}/retry").status_code == 202


@pytest.mark.parametrize(
    "fields", [{"status": "running"}, {"status": "succeeded"}, {"status": "failed", "tidying": True}]
)
def test_other_jobs_are_not_retried(operator: ApiClient, fields: dict[str, Any]) -> None:
    job = make_job(**fields)
    assert operator.send("POST", f"/api/jobs/{job.pk}/retry").status_code == 409
    assert Job.objects.get().status == fields["status"]


def test_queries_do_not_grow_with_jobs(operator: ApiClient, django_assert_num_queries: Any) -> None:
    for _ in range(10):
        make_test()
    with django_assert_num_queries(3):  # token, rows, count
        assert len(operator.read("/api/jobs")["items"]) == 10


def test_who_asked_for_a_job_is_told_though_it_is_a_token(operator: ApiClient) -> None:
    assert operator.read(f"/api/jobs/{make_job(params={'who': 'token adm'}).pk}")["asked_by"] == "token adm"


@pytest.mark.parametrize(("status", "told"), [("cancelled", "was cancelled"), ("failed", "has failed")])
def test_what_has_ended_cannot_be_cancelled(operator: ApiClient, status: str, told: str) -> None:
    job = make_job(status=status)
    answer = operator.send("POST", f"/api/jobs/{job.pk}/cancel")
    assert answer.status_code == 409
    assert f"Job {job.pk} {told} already; only a queued" in answer.json()["detail"]
