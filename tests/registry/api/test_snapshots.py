"""Snapshots over REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from registry import jobs, snapshots
from registry.models import Job, LanguageModel, Registry, Role, Snapshot
from tests.api_clients import ApiClient
from tests.builders import make_model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def admin() -> ApiClient:
    return ApiClient(Role.ADMIN)


@pytest.fixture
def first() -> Snapshot:
    """A snapshot from before the only model was given notes."""
    make_model(key="qwen", notes="before")
    taken = snapshots.create(Registry.objects.default(), "first")
    LanguageModel.objects.update(notes="after")
    return taken


def finished(answer: Any) -> Job:
    assert answer.status_code == 202, answer.content
    jobs.run(answer.json()["job"]["id"])
    return Job.objects.get(pk=answer.json()["job"]["id"])


def test_a_snapshot_is_taken_listed_and_looked_at() -> None:
    operator = ApiClient(Role.OPERATOR)
    answer = operator.send("POST", "/api/snapshots", {"name": "first", "note": "before the update"})
    assert (answer.status_code, answer.json()["models"]) == (201, 0)
    operator.send("POST", "/api/snapshots", {})
    listed = operator.read("/api/snapshots")
    assert [each["name"] for each in listed["items"]][1] == "first"
    assert operator.read("/api/snapshots/first")["note"] == "before the update"


def test_a_snapshot_belongs_to_its_registry(admin: ApiClient) -> None:
    Registry.objects.create(name="other")
    admin.send("POST", "/api/snapshots?registry=other", {"name": "first"})
    assert admin.read("/api/snapshots")["total"] == 0
    assert admin.read("/api/snapshots/first", registry="other")["registry"] == "other"
    assert admin.get("/api/snapshots/first").status_code == 404


@pytest.mark.parametrize(("name", "status"), [("first", 409), ("a/b", 409), ("x\x00", 422), (7, 422)])
def test_a_bad_name_is_told(admin: ApiClient, first: Snapshot, name: Any, status: int) -> None:
    assert admin.send("POST", "/api/snapshots", {"name": name}).status_code == status


def test_a_restore_says_first_what_it_does_and_then_does_it(admin: ApiClient, first: Snapshot) -> None:
    plan = admin.send("POST", "/api/snapshots/first/restore?dry_run=true").json()
    assert (plan["summary"], plan["applied"]) == ("1 model changed", False)
    job = finished(admin.send("POST", "/api/snapshots/first/restore"))
    assert LanguageModel.objects.get().notes == "before"
    shown = admin.read(f"/api/jobs/{job.pk}")["result"]
    assert Snapshot.objects.get(pk=shown["undo"]).origin == "safety"


def test_a_merge_has_a_strategy(admin: ApiClient, first: Snapshot) -> None:
    finished(admin.send("POST", "/api/snapshots/first/merge?strategy=skip"))
    assert LanguageModel.objects.get().notes == "after"
    finished(admin.send("POST", "/api/snapshots/first/merge?strategy=update"))
    assert LanguageModel.objects.get().notes == "before"
    assert admin.send("POST", "/api/snapshots/first/merge?strategy=guess").status_code == 422


def test_a_diff_names_every_field_with_its_token_and_a_merge_takes_it(admin: ApiClient, first: Snapshot) -> None:
    LanguageModel.objects.update(favourite=True)
    found = admin.read("/api/snapshots/diff", after="first")
    [change] = found["changes"]
    fields = {each["field"]: (each["before"], each["after"]) for each in change["fields"]}
    assert fields == {"notes": ("after", "before"), "favourite": (True, False)}
    token = next(each["token"] for each in change["fields"] if each["field"] == "notes")
    finished(admin.send("POST", "/api/snapshots/first/merge", {"tokens": [token]}))
    assert LanguageModel.objects.filter(notes="before", favourite=True).exists()


def test_a_damaged_snapshot_is_refused_at_the_door(admin: ApiClient, first: Snapshot) -> None:
    snapshots.path(first).unlink()
    answer = admin.send("POST", "/api/snapshots/first/restore")
    assert (answer.status_code, Job.objects.count()) == (422, 0)
    assert "its file is gone" in answer.json()["detail"]
    assert admin.read("/api/snapshots/first")["file_lost"] is True


def test_a_download_is_the_document(admin: ApiClient, first: Snapshot) -> None:
    answer = admin.get("/api/snapshots/first/download")
    assert answer.content == snapshots.document(first)
    assert answer["Content-Disposition"] == 'attachment; filename="first.json"'


def test_a_name_with_quotes_and_line_breaks_makes_a_harmless_file_name(admin: ApiClient) -> None:
    make_model()
    snapshots.create(Registry.objects.default(), 'a"; filename=x ü')
    answer = admin.get("/api/snapshots/a%22; filename=x ü/download")
    assert answer["Content-Disposition"] == 'attachment; filename="a_ filename_x _.json"'


def test_a_deleted_snapshot_is_gone(admin: ApiClient, first: Snapshot) -> None:
    assert admin.delete("/api/snapshots/first").status_code == 204
    assert not snapshots.path(first).exists()


def test_operators_take_snapshots_and_admins_restore_them(first: Snapshot) -> None:
    operator = ApiClient(Role.OPERATOR)
    for path in ("restore", "merge"):
        assert operator.send("POST", f"/api/snapshots/first/{path}").status_code == 403
    assert operator.delete("/api/snapshots/first").status_code == 403
