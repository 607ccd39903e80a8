"""Tokens and scans over REST."""

from __future__ import annotations

from typing import Any

import pytest

from registry.models import ApiToken, Registry, Role, Scan
from tests.api_clients import ApiClient
from tests.builders import make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_a_secret_is_shown_once_and_works() -> None:
    admin = ApiClient()
    made = admin.send("POST", "/api/tokens", {"name": "ci", "role": "operator"})
    secret = made.json()["secret"]
    assert made.status_code == 201
    assert secret not in admin.get("/api/tokens").content.decode()
    assert admin.get("/api/jobs", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


def test_a_revoked_token_is_dead_at_once_and_kept_in_the_list() -> None:
    admin = ApiClient()
    token, secret = ApiToken.issue("ci", Role.VIEWER)
    assert admin.send("DELETE", f"/api/tokens/{token.pk}").status_code == 204
    assert admin.get("/api/jobs", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    assert admin.read(f"/api/tokens/{token.pk}")["revoked"] is not None


def test_what_a_token_may_use_of_the_gateway_is_set_and_changed() -> None:
    admin = ApiClient()
    Registry.objects.create(name="lab")
    made = admin.send("POST", "/api/tokens", {"name": "ci", "registry": "lab", "requests_per_minute": 60}).json()
    assert (made["registry"], made["requests_per_minute"], made["tokens_per_day"]) == ("lab", 60, None)
    changed = admin.send("PATCH", f"/api/tokens/{made['id']}", {"registry": None, "tokens_per_day": 10**6}).json()
    assert (changed["registry"], changed["requests_per_minute"], changed["tokens_per_day"]) == (None, 60, 10**6)
    assert admin.send("PATCH", f"/api/tokens/{made['id']}", {"registry": "nowhere"}).status_code == 404
    assert admin.send("PATCH", f"/api/tokens/{made['id']}", {"role": "admin"}).status_code == 422


def test_revoking_twice_keeps_the_first_time() -> None:
    admin = ApiClient()
    token, _ = ApiToken.issue("ci", Role.VIEWER)
    times = []
    for _ in range(2):
        admin.send("DELETE", f"/api/tokens/{token.pk}")
        times.append(admin.read(f"/api/tokens/{token.pk}")["revoked"])
    assert times[0] == times[1]


def test_scans_come_newest_first_by_server_with_what_they_found(django_assert_num_queries: Any) -> None:
    viewer, registry, server = ApiClient(Role.VIEWER), Registry.objects.default(), make_server()
    for number in range(5):
        Scan.objects.create(server=server, registry=registry, found=number, added=[f"m{number}"], missing=["old"])
    Scan.objects.create(server=make_server(), registry=registry)
    with django_assert_num_queries(3):  # token, rows, count
        shown = viewer.read("/api/scans", server=server.pk)
    assert [each["found"] for each in shown["items"]] == [4, 3, 2, 1, 0]
    assert (shown["items"][0]["added"], shown["items"][0]["missing"]) == (["m4"], ["old"])


@pytest.mark.parametrize("name", ["c\r\ni", "c\x1bi", "ci\n", "\x85"])
def test_a_name_with_control_characters_is_refused(name: str) -> None:
    assert ApiClient().send("POST", "/api/tokens", {"name": name}).status_code == 422
    assert ApiClient().send("POST", "/api/servers", {"name": f"a{name}b", "base_url": "http://box"}).status_code == 422
