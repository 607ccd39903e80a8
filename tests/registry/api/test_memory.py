"""Memory and its policies over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry.models import AuditEvent, Instance, MemoryPolicy, Role, Server
from tests.api_clients import ApiClient
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]

GB = 10**9


@pytest.fixture
def api() -> ApiClient:
    return ApiClient(Role.ADMIN)


@pytest.fixture
def shelf() -> Server:
    server = make_server(name="shelf", base_url="http://192.0.2.7:1234", memory_limit_bytes=24 * GB)
    model = make_model(server=server, key="qwen", size_bytes=6 * GB)
    copy = Instance.objects.create(server=server, model=model, instance_id="qwen", loaded_by="us", context_length=4096)
    Instance.objects.filter(pk=copy.pk).update(first_seen=timezone.now() - timedelta(hours=1))
    return server


def get(api: ApiClient, path: str) -> Any:
    answer = api.send("GET", path)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_memory_is_told_together_and_by_server(api: ApiClient, shelf: Server) -> None:
    told = get(api, "/api/memory")
    assert (told["total_bytes"], told["used_bytes"], told["source"]) == (24 * GB, 6 * GB, "estimated")
    [server] = told["servers"]
    assert (server["name"], server["available_bytes"], server["policy_enabled"]) == ("shelf", 18 * GB, False)


def test_a_server_tells_each_copy_and_what_the_policy_would_do(api: ApiClient, shelf: Server) -> None:
    told = get(api, f"/api/servers/{shelf.pk}/memory")
    [copy], [eviction] = told["instances"], told["would_unload"]
    assert (copy["id"], copy["bytes"], copy["source"], copy["in_flight"]) == ("qwen", 6 * GB, "estimated", 0)
    assert (eviction["instance"], eviction["frees_bytes"]) == ("qwen", 6 * GB)
    assert eviction["reason"] == "idle for 60 min; the policy allows 30 min"


def test_the_default_policy_is_off_until_it_is_put_on(api: ApiClient) -> None:
    assert get(api, "/api/memory/policy")["enabled"] is False
    answer = api.send("PUT", "/api/memory/policy", {"enabled": True, "max_loaded_models": 2})
    assert (answer.json()["enabled"], answer.json()["max_loaded_models"]) == (True, 2)
    assert answer.json()["memory_threshold_percent"] == 80
    assert AuditEvent.objects.get(kind="memory policy").door == "rest"


def test_null_takes_a_limit_away(api: ApiClient) -> None:
    api.send("PUT", "/api/memory/policy", {"memory_threshold_percent": None})
    assert MemoryPolicy.objects.get().memory_threshold_percent is None


def test_a_server_has_its_own_until_it_is_deleted(api: ApiClient, shelf: Server) -> None:
    path = f"/api/memory/policy?server={shelf.pk}"
    assert api.send("PUT", path, {"inactive_timeout_minutes": 5}).json()["own"] is True
    assert get(api, path)["inactive_timeout_minutes"] == 5
    assert api.send("DELETE", path).status_code == 204
    assert (get(api, path)["own"], get(api, path)["inactive_timeout_minutes"]) == (False, 30)


@pytest.mark.parametrize(
    "body",
    [{"inactive_timeout_minutes": 0}, {"memory_threshold_percent": 101}, {"enabled": "yes"}, {"threshold": 3},
     {"inactive_timeout_minutes": None}],
)  # fmt: skip
def test_what_makes_no_policy_is_refused(api: ApiClient, body: dict[str, Any]) -> None:
    assert api.send("PUT", "/api/memory/policy", body).status_code == 422
    assert not MemoryPolicy.objects.exists()


@pytest.mark.parametrize("path", ["/api/memory/policy?server=99", "/api/servers/99/memory"])
def test_a_server_that_is_not_there_is_said(api: ApiClient, path: str) -> None:
    assert api.send("GET", path).status_code == 404
