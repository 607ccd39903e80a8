"""Requests and their sums in the admin: looked at, never changed."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry import recording
from registry.models import InferenceRecord, Rollup
from tests.builders import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def record(count: int) -> None:
    recording.record([InferenceRecord(uuid=uuid4(), model_key="llama", model_id=5) for _ in range(count)])


@pytest.mark.parametrize("table", ["inferencerecord", "rollup"])
def test_rows_are_listed_and_opened_but_not_changed(page: Client, table: str) -> None:
    record(3)
    row = (InferenceRecord if table == "inferencerecord" else Rollup).objects.first()
    assert row is not None
    assert page.get(f"/admin/registry/{table}/").status_code == 200
    assert page.get(f"/admin/registry/{table}/{row.pk}/change/").status_code == 200
    assert page.post(f"/admin/registry/{table}/{row.pk}/change/", {}).status_code == 403
    assert page.get(f"/admin/registry/{table}/add/").status_code == 403
    assert page.post(f"/admin/registry/{table}/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_request_is_found_by_its_uuid(page: Client) -> None:
    record(2)
    row = InferenceRecord.objects.first()
    assert row is not None
    answer = page.get("/admin/registry/inferencerecord/", {"q": str(row.uuid)})
    assert list(answer.context["cl"].result_list) == [row]


def test_queries_do_not_grow_with_rows(page: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            page.get("/admin/registry/inferencerecord/")
        return len(caught)

    record(1)
    queries()
    few = queries()
    record(40)
    assert queries() == few
