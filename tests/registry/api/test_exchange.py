"""Files of registries over REST, and their upkeep."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from registry import exchanging, jobs
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


def send(admin: ApiClient, data: bytes, kind: str = "application/json", **query: Any) -> Any:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return admin.generic("POST", f"/api/registries/other/import?{asked}", data, kind)


@pytest.fixture
def data() -> bytes:
    """An export of a registry with one model; `other` is empty."""
    make_model(key="qwen", tags=("mine",))
    Registry.objects.create(name="other")
    return exchanging.export(Registry.objects.default())


def finished(answer: Any) -> Job:
    assert answer.status_code == 202, answer.content
    jobs.run(answer.json()["job"]["id"])
    return Job.objects.get(pk=answer.json()["job"]["id"])


def brought() -> list[str]:
    return list(LanguageModel.objects.filter(registry__name="other").values_list("key", flat=True))


@pytest.mark.parametrize(("fmt", "ending"), exchanging.FORMATS.items())
def test_an_export_is_a_file_with_a_name(admin: ApiClient, data: bytes, fmt: str, ending: str) -> None:
    answer = admin.get(f"/api/registries/default/export?format={fmt}&full=true")
    assert answer["Content-Disposition"] == f'attachment; filename="default.{ending}"'
    assert answer.content == exchanging.export(Registry.objects.default(), fmt=fmt, full=True)


def test_a_registry_bound_to_a_file_is_exported_under_the_files_name(admin: ApiClient) -> None:
    Registry.objects.create(name="/srv/models.json", path="/srv/models.json")
    answer = admin.get("/api/registries/%2Fsrv%2Fmodels.json/export")
    assert answer["Content-Disposition"] == 'attachment; filename="models.json.json"'


@pytest.mark.parametrize("query", ["format=toml", "filter=colour:red", "filter=size:>big"])
def test_a_bad_export_is_422(admin: ApiClient, query: str) -> None:
    assert admin.get(f"/api/registries/default/export?{query}").status_code == 422


def test_an_import_is_a_job(admin: ApiClient, data: bytes) -> None:
    job = finished(send(admin, data))
    assert (job.status, brought()) == ("succeeded", ["qwen"])


def test_a_dry_run_reports_and_keeps_nothing(admin: ApiClient, data: bytes) -> None:
    answer = send(admin, data, dry_run="true")
    assert (answer.status_code, answer.json()["counts"]["model"]["added"]) == (200, 1)
    assert (brought(), Job.objects.count(), Snapshot.objects.count()) == ([], 0, 0)


@pytest.mark.parametrize("kind", ["text/csv", "application/yaml", "application/gzip"])
def test_other_formats_come_under_their_own_type(admin: ApiClient, data: bytes, kind: str) -> None:
    default = Registry.objects.default()
    bodies = {
        "text/csv": exchanging.export(default, fmt="csv"),
        "application/yaml": exchanging.export(default, fmt="yaml"),
        "application/gzip": gzip.compress(data),
    }
    finished(send(admin, bodies[kind], kind))
    assert brought() == ["qwen"]


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded"])
def test_what_a_page_of_another_site_could_send_is_no_body(admin: ApiClient, data: bytes, kind: str) -> None:
    assert send(admin, data, kind).status_code == 415


def test_only_an_import_takes_other_bodies_than_json(admin: ApiClient) -> None:
    assert admin.generic("POST", "/api/snapshots", b"name\nx", "text/csv").status_code == 415


def test_every_fault_is_told_with_its_place(admin: ApiClient, data: bytes) -> None:
    document = json.loads(data)
    document["models"]["qwen"] |= {"size_bytes": "big", "tested_context": -1}
    answer = send(admin, json.dumps(document).encode())
    assert answer.status_code == 422
    places = {each["where"] for each in answer.json()["errors"]}
    assert {'models["qwen"].size_bytes', 'models["qwen"].tested_context'} <= places
    assert (brought(), Job.objects.count(), Snapshot.objects.count()) == ([], 0, 0)


@pytest.mark.parametrize("query", [{"strategy": "guess"}, {"dry_run": "maybe"}, {"version": "x"}])
def test_a_bad_question_is_422(admin: ApiClient, data: bytes, query: dict[str, str]) -> None:
    assert send(admin, data, **query).status_code == 422


def test_exact_for_another_version_is_a_conflict(admin: ApiClient, data: bytes) -> None:
    version = admin.read("/api/registries/other")["version"]
    job = finished(send(admin, data, strategy="exact", version=version))
    assert job.status == "succeeded"
    assert send(admin, data, strategy="exact", version=version, dry_run="true").status_code == 409
    assert finished(send(admin, data, strategy="exact", version=version)).status == "failed"


def test_a_file_may_be_larger_than_other_bodies(admin: ApiClient, data: bytes, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert send(admin, data, dry_run="true").status_code == 200
    settings.UPLOAD_BYTES = 10
    assert send(admin, data, dry_run="true").status_code == 413


def test_an_import_takes_an_admin(data: bytes) -> None:
    assert send(ApiClient(Role.OPERATOR), data).status_code == 403


def test_registries_are_made_renamed_and_deleted(admin: ApiClient) -> None:
    assert admin.send("POST", "/api/registries", {"name": "lab"}).status_code == 201
    assert admin.send("POST", "/api/registries", {"name": "LAB"}).status_code == 409
    assert admin.send("PATCH", "/api/registries/lab", {"name": "shelf"}).json()["name"] == "shelf"
    assert admin.send("PATCH", "/api/registries/default", {"name": "x"}).status_code == 409
    assert admin.delete("/api/registries/shelf").status_code == 204
    assert admin.delete("/api/registries/default").status_code == 409


def test_broken_rules_are_told_and_mended(admin: ApiClient) -> None:
    make_model(key="qwen", size_bytes=0)
    found = admin.read("/api/registries/default/validate")
    assert (found["valid"], found["issues"][0]["object"]) == (False, "model qwen")
    said = admin.send("POST", "/api/registries/default/fix?dry_run=true").json()
    done = admin.send("POST", "/api/registries/default/fix").json()
    assert (said["steps"], said["undo"], done["applied"]) == (done["steps"], None, True)
    assert admin.read("/api/registries/default/validate") == {"valid": True, "issues": []}


def test_a_cleanup_says_first_what_goes(admin: ApiClient) -> None:
    make_model(key="gone", missing=True)
    said = admin.send("POST", "/api/registries/default/cleanup?dry_run=true", {"orphans": True}).json()
    assert said["counts"]["model"]["removed"] == 1
    finished(admin.send("POST", "/api/registries/default/cleanup", {"orphans": True}))
    assert LanguageModel.objects.count() == 0
    assert admin.send("POST", "/api/registries/default/cleanup", {}).status_code == 422


def test_compact_tells_the_bytes(admin: ApiClient) -> None:
    told = admin.send("POST", "/api/registries/default/compact").json()
    assert told["saved"] == max(told["before"] - told["after"], 0)
