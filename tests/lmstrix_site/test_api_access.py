"""Who may do what over REST."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from lmstrix_site.api import api
from registry.models import ApiToken, Role
from tests.builders import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

OPERATIONS = [
    (method, re.sub(r"{[^}]*}", "987654", "/api" + (router.prefix + path or "/")), each)
    for router in api._get_bound_routers()
    for path, view in router.path_operations.items()
    for each in view.operations
    for method in each.methods
]
NAMES = [f"{method} {path}" for method, path, _ in OPERATIONS]

# the whole table, so that a changed role is a changed test
READERS = [
    "registries", "servers", "models", "context-tests", "jobs", "scans", "events", "tags", "groups", "profiles",
    "snapshots", "memory", "usage",
]  # fmt: skip
LABELS = ("tags", "groups", "profiles")  # operators put the models in order
VIEWERS = {"POST /api/registries/compare"}
OPERATORS = {
    "POST /api/snapshots",
    "PATCH /api/models/987654",
    "POST /api/models/987654/tags",
    "DELETE /api/models/987654/tags",
    "POST /api/models/987654/load",
    "POST /api/models/987654/unload",
    "POST /api/models/unload-all",
    "POST /api/inferences",
    "POST /api/servers/987654/scan",
    "POST /api/servers/987654/downloads",
    "POST /api/context-tests",
    "POST /api/jobs/987654/cancel",
    "POST /api/jobs/987654/retry",
}


def needed(method: str, path: str) -> Role:
    """The role of an operation by the rules: viewers read, operators run work, admins do the rest."""
    noun = path.split("/")[2]
    if (method == "GET" and noun in READERS) or f"{method} {path}" in VIEWERS:
        return Role.VIEWER
    return Role.OPERATOR if noun in LABELS or f"{method} {path}" in OPERATORS else Role.ADMIN


def call(method: str, path: str, **headers: str) -> Any:
    client = Client(raise_request_exception=False)
    return client.generic(method, path, b"{}" if method != "GET" else b"", "application/json", headers=headers)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_every_operation_declares_the_role_of_the_table(method: str, path: str, operation: Any) -> None:
    role = operation.view_func.needed_role
    assert role == needed(method, path)
    assert {door.role for door in operation.auth_callbacks} == {role}


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_nobody_comes_in_without_credentials(method: str, path: str, operation: Any) -> None:
    answer = call(method, path)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_a_token_opens_what_its_role_covers(method: str, path: str, operation: Any, role: Role) -> None:
    _, secret = ApiToken.issue("script", role)
    answer = call(method, path, Authorization=f"Bearer {secret}")
    if role.covers(needed(method, path)):
        assert answer.status_code in (200, 201, 404, 409, 422)
    else:
        assert answer.status_code == 403
        assert answer.json()["detail"].startswith(f"This takes the role {needed(method, path).value}")


def test_a_revoked_token_opens_nothing() -> None:
    token, secret = ApiToken.issue("script", Role.ADMIN)
    token.revoke()
    assert call("GET", "/api/jobs", Authorization=f"Bearer {secret}").status_code == 401


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer x y", "Basic YTpi", "Bearer \xff", "bearer lmx_" + "a" * 9000]
)
def test_odd_credentials_are_no_credentials(value: str) -> None:
    assert call("GET", "/api/jobs", Authorization=value).status_code == 401


def test_a_signed_in_person_reads_by_cookie(client: Client) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    assert client.get("/api/jobs").status_code == 200


def test_a_person_changes_nothing_without_the_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user(role=Role.ADMIN))
    answer = client.post("/api/tokens", {"name": "x"}, content_type="application/json")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]


def test_a_person_changes_things_with_the_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user(role=Role.ADMIN))
    client.cookies["lmstrix_csrf"] = key = "k" * 32
    headers = {"X-CSRFToken": key}
    assert (
        client.post("/api/tokens", {"name": "x"}, content_type="application/json", headers=headers).status_code == 201
    )


def test_a_bad_token_is_not_helped_by_a_good_session(client: Client) -> None:
    client.force_login(make_user(role=Role.ADMIN))
    assert client.get("/api/jobs", headers={"Authorization": "Bearer lmx_wrong"}).status_code == 401


def test_a_disabled_person_is_out(client: Client) -> None:
    user = make_user(role=Role.ADMIN)
    client.force_login(user)
    user.is_active = False
    user.save()
    assert client.get("/api/jobs").status_code == 401


@pytest.mark.parametrize("address", ["/api/docs", "/api/openapi.json"])
def test_the_documentation_is_for_people_who_are_signed_in(client: Client, address: str) -> None:
    assert client.get(address).status_code == 401
    assert client.get(address, headers={"Accept": "text/html"})["Location"].startswith("/login/")
    client.force_login(make_user(role=Role.VIEWER))
    assert client.get(address).status_code == 200
