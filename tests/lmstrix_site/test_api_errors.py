"""Errors over REST are problem documents."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError
from django.test import Client, RequestFactory

from lmstrix_site.api import api
from registry.lmstudio import errors
from registry.models import ApiToken, Role

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def admin() -> Client:
    _, secret = ApiToken.issue("admin", Role.ADMIN)
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {secret}"})


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.content)
    assert {"type", "title", "status", "detail", "errors"} == body.keys()
    assert body["status"] == status
    return body


def send(client: Client, body: bytes, path: str = "/api/servers", **options: Any) -> Any:
    return client.generic("POST", path, body, "application/json", **options)


@pytest.mark.parametrize(
    "path", ["/api/", "/api/nothing", "/api/models/", "/api/models/abc", "/api/jobs/1/x", "/api/jobs/" + "9" * 5000]
)
def test_an_unknown_address_is_404(admin: Client, path: str) -> None:
    assert "There is nothing at" in problem(admin.get(path), 404)["detail"] or path == "/api/"


@pytest.mark.parametrize("path", ["servers", "models", "jobs", "scans", "tokens", "context-tests"])
def test_an_unknown_object_is_404_and_named(admin: Client, path: str) -> None:
    assert "7654321" in problem(admin.get(f"/api/{path}/7654321"), 404)["detail"]


@pytest.mark.parametrize("number", [0, 2**63, 10**30])
def test_a_key_the_database_cannot_hold_is_422(admin: Client, number: int) -> None:
    assert problem(admin.get(f"/api/jobs/{number}"), 422)["errors"][0]["where"] == "path.id"


def test_a_wrong_method_is_405_with_those_allowed(admin: Client) -> None:
    answer = admin.put("/api/servers", "{}", content_type="application/json")
    assert "GET, POST" in problem(answer, 405)["detail"]
    assert answer["Allow"] == "GET, POST"


@pytest.mark.parametrize("limit", ["0", "1001", str(10**20), "-1", "x", "", "1e3", "NaN"])
def test_a_limit_out_of_bounds_is_422(admin: Client, limit: str) -> None:
    assert problem(admin.get("/api/jobs", {"limit": limit}), 422)["errors"][0]["where"] == "query.limit"


@pytest.mark.parametrize("path", ["registries", "servers", "models", "jobs", "scans", "tokens", "context-tests"])
def test_a_made_up_cursor_is_422(admin: Client, path: str) -> None:
    assert "cursor" in problem(admin.get(f"/api/{path}", {"cursor": "abc"}), 422)["detail"]


def test_unknown_parameters_are_ignored(admin: Client) -> None:
    assert admin.get("/api/jobs", {"whatever": "x"}).status_code == 200


@pytest.mark.parametrize("path", ["/api/models?filter=a%00b", "/api/registries/a%00b"])
def test_a_nul_in_an_address_is_400(admin: Client, path: str) -> None:
    problem(admin.get(path), 400)


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"name": "x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"memory_limit_bytes": 1' + b"0" * 5000 + b"}",
        b'{"memory_limit_bytes": NaN}',
        b'{"name": "a", "name": "b"}',
    ],
)
def test_what_is_not_json_is_400(admin: Client, body: bytes) -> None:
    problem(send(admin, body), 400)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"name": "x"}, "body.base_url"),
        ({"name": "a\x00b", "base_url": "http://h"}, "body.name"),
        ({"name": "x" * 101, "base_url": "http://h"}, "body.name"),
        ({"name": 5, "base_url": "http://h"}, "body.name"),
        ({"name": "x", "base_url": "http://h", "memory_limit_bytes": 2**62}, "body.memory_limit_bytes"),
        ({"name": "x", "base_url": "http://h", "memory_limit_bytes": True}, "body.memory_limit_bytes"),
        ({"name": "x", "base_url": "http://h", "colour": "red"}, "body.colour"),
        ([1], "body"),
        ("x", "body"),
        (None, "body"),
    ],
)
def test_wrong_values_are_422_and_each_is_placed(admin: Client, body: Any, where: str) -> None:
    found = problem(send(admin, json.dumps(body).encode()), 422)
    assert where in [each["where"] for each in found["errors"]]


def test_no_body_at_all_is_422(admin: Client) -> None:
    problem(send(admin, b""), 422)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_is_not_said_to_be_json_is_415(admin: Client, kind: str) -> None:
    problem(admin.generic("POST", "/api/servers", b'{"name": "x"}', kind), 415)


def test_a_huge_body_is_413(admin: Client) -> None:
    problem(send(admin, b" " * (10 * 2**20 + 1)), 413)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.Unreachable("http://h", "does not answer"), 502, "urn:lmstrix:unreachable"),
        (errors.TimedOut("http://h", "is silent"), 504, "urn:lmstrix:timed-out"),
        (errors.Unauthorized("http://h", "wants a token"), 502, "urn:lmstrix:unauthorized"),
        (errors.ModelNotFound("http://h", "has no x"), 404, "urn:lmstrix:model-not-found"),
        (errors.OutOfMemory("http://h", "is full"), 503, "urn:lmstrix:out-of-memory"),
        (errors.ForbiddenAddress("http://h", "is forbidden"), 422, "urn:lmstrix:forbidden-address"),
        (errors.BadReply("http://h", "talks nonsense"), 502, "urn:lmstrix:bad-reply"),
        (errors.LMStudioError("http://h", "failed"), 502, "urn:lmstrix:lmstudio-error"),
        (ValueError("The name is taken."), 422, "about:blank"),
        (IntegrityError("duplicate key"), 409, "about:blank"),
        (OperationalError("database is locked"), 503, "about:blank"),
    ],
)
def test_errors_of_the_product_have_their_status(error: Exception, status: int, kind: str) -> None:
    assert problem(api.on_exception(RequestFactory().get("/api/x"), error), status)["type"] == kind


@pytest.mark.parametrize("error", [RuntimeError("secret"), UnicodeDecodeError("utf-8", b"", 0, 1, "secret")])
def test_a_mistake_of_ours_is_500_without_its_text_but_findable(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "lmstrix_site.api_errors"):
        found = problem(api.on_exception(RequestFactory().get("/api/x"), error), 500)
    assert "secret" not in json.dumps(found)
    assert found["detail"].split()[-1].rstrip(".") in caplog.text


def test_an_unexpected_error_in_a_view_is_a_problem_too(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.api.jobs.rows", lambda: 1 / 0)
    problem(admin.get("/api/jobs"), 500)
