"""Servers over REST."""

from __future__ import annotations

from typing import Any

import pytest

from registry.models import Job, LanguageModel, Registry, Role, Scan, Server
from tests.api_clients import ApiClient
from tests.builders import make_job, make_model, make_server
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.django_db, pytest.mark.database]

FIELDS = {"id", "name", "base_url", "enabled", "reachable", "version", "memory_limit_bytes", "last_scan", "error"}


@pytest.fixture
def admin() -> ApiClient:
    return ApiClient()


def test_a_server_is_added_and_its_token_never_shown(admin: ApiClient) -> None:
    answer = admin.send("POST", "/api/servers", {"name": "desk", "base_url": "localhost", "token": "sk-secret"})
    assert answer.status_code == 201
    assert answer.json().keys() >= FIELDS
    assert answer.json()["base_url"] == "http://localhost:1234"
    assert answer.json()["has_token"] is True
    assert b"sk-secret" not in answer.content + admin.get("/api/servers").content
    assert Server.objects.get().token == "sk-secret"


@pytest.mark.parametrize("body", [{"name": "desk"}, {"base_url": "HTTP://127.0.0.1:9/a/"}])
def test_a_taken_name_or_address_is_409(admin: ApiClient, body: dict[str, str]) -> None:
    make_server(name="desk", base_url="http://127.0.0.1:9/a")
    answer = admin.send("POST", "/api/servers", {"name": "other", "base_url": "http://127.0.0.1:9/b"} | body)
    assert (answer.status_code, Server.objects.count()) == (409, 1)


@pytest.mark.parametrize("address", ["ftp://h", "http://u:p@h", "http://h?x=1", "http://", "http://h:99999", "a b"])
def test_an_impossible_address_is_422_with_a_sentence(admin: ApiClient, address: str) -> None:
    answer = admin.send("POST", "/api/servers", {"name": "desk", "base_url": address})
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")


def test_only_the_given_fields_change(admin: ApiClient) -> None:
    server = make_server(name="desk", memory_limit_bytes=5, token="sk")
    answer = admin.send("PATCH", f"/api/servers/{server.pk}", {"enabled": False})
    server.refresh_from_db()
    assert (answer.status_code, server.enabled, server.memory_limit_bytes, server.token) == (200, False, 5, "sk")


def test_a_null_limit_means_unknown_and_an_empty_token_none(admin: ApiClient) -> None:
    server = make_server(memory_limit_bytes=5, token="sk")
    admin.send("PATCH", f"/api/servers/{server.pk}", {"memory_limit_bytes": None, "token": "", "name": None})
    before, server = server, Server.objects.get()
    assert (server.memory_limit_bytes, server.has_token, server.name) == (None, False, before.name)


def test_a_server_is_deleted_with_its_models(admin: ApiClient) -> None:
    model = make_model()
    assert admin.send("DELETE", f"/api/servers/{model.server_id}").status_code == 204
    assert not LanguageModel.objects.exists()


def test_a_busy_server_is_not_deleted(admin: ApiClient) -> None:
    server = make_server(experiment=make_job(kind="context_test"))
    answer = admin.send("DELETE", f"/api/servers/{server.pk}")
    assert answer.status_code == 409
    assert "busy" in answer.json()["detail"]


def test_a_scan_is_a_job_with_its_scan_as_object(admin: ApiClient) -> None:
    server = make_server()
    answer = admin.send("POST", f"/api/servers/{server.pk}/scan")
    scan = Scan.objects.get()
    assert answer.status_code == 202
    assert answer.json()["job"]["object"] == {"type": "scan", "id": scan.pk}
    assert Job.objects.get().door == "rest"
    assert admin.read(f"/api/scans/{scan.pk}")["server"] == server.pk


def test_a_scan_goes_into_the_registry_that_is_named(admin: ApiClient) -> None:
    server, other = make_server(), Registry.objects.create(name="other")
    assert admin.send("POST", f"/api/servers/{server.pk}/scan?registry=other").status_code == 202
    assert Scan.objects.get().registry == other
    assert admin.send("POST", f"/api/servers/{server.pk}/scan?registry=nowhere").status_code == 404


def test_a_disabled_server_is_not_scanned(admin: ApiClient) -> None:
    server = make_server(enabled=False)
    assert admin.send("POST", f"/api/servers/{server.pk}/scan").status_code == 409


def test_an_operator_scans_but_adds_nothing() -> None:
    operator, server = ApiClient(Role.OPERATOR), make_server()
    assert operator.send("POST", f"/api/servers/{server.pk}/scan").status_code == 202
    assert operator.send("POST", "/api/servers", {"name": "x", "base_url": "http://127.0.0.1:9"}).status_code == 403


def test_a_connection_is_tried_without_keeping_anything(admin: ApiClient) -> None:
    with ScriptedLMStudio([model("a"), model("b")]) as studio:
        answer = admin.send("POST", "/api/servers/test-connection", {"base_url": studio.url})
    assert (answer.json()["ok"], answer.json()["models"], answer.json()["api"]) == (True, 2, "v1")
    assert not Server.objects.exists()


def test_a_connection_that_fails_says_why_and_what_to_do(admin: ApiClient) -> None:
    answer = admin.send("POST", "/api/servers/test-connection", {"base_url": "http://127.0.0.1:9"})
    assert (answer.status_code, answer.json()["ok"]) == (200, False)
    assert answer.json()["detail"]
    assert answer.json()["remedy"]


def test_servers_come_by_name_page_by_page(admin: ApiClient, django_assert_num_queries: Any) -> None:
    for name in "cadb":
        make_server(name=name)
    first = admin.read("/api/servers", limit=3)
    rest = admin.read("/api/servers", limit=3, cursor=first["next"])
    assert [each["name"] for each in first["items"] + rest["items"]] == ["a", "b", "c", "d"]
    assert (first["total"], rest["next"]) == (4, None)
    with django_assert_num_queries(3):  # token, rows, count
        admin.read("/api/servers")
