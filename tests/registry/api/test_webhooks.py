"""Webhooks over REST."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.models import Role, Webhook
from tests.api_clients import ApiClient
from tests.scripted_http import ScriptedServer, answer

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NEW = {"name": "ops", "url": "https://example.org/hook", "events": ["job.failed", "server.back"]}


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.script("POST /hook", answer(""))
        yield server


def test_a_webhook_is_added_and_its_secret_is_shown_this_once() -> None:
    admin = ApiClient()
    made = admin.send("POST", "/api/webhooks", NEW)
    assert made.status_code == 201
    assert made.json()["secret"] == Webhook.objects.get().secret
    (listed,) = admin.read("/api/webhooks")["items"]
    assert "secret" not in listed
    assert {name: listed[name] for name in NEW} == {**NEW, "events": ["job.failed", "server.back"]}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "ftp://x"},
        {"url": "http://169.254.169.254/"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://0xA9FEA9FE/"},
        {"events": ["nonsense"]},
        {"name": ""},
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object]) -> None:
    admin = ApiClient()
    assert admin.send("POST", "/api/webhooks", NEW | change).status_code == 422
    made = admin.send("POST", "/api/webhooks", NEW).json()
    assert admin.send("PATCH", f"/api/webhooks/{made['id']}", change).status_code == 422
    assert Webhook.objects.get().url == NEW["url"]


def test_it_is_changed_and_gets_a_new_secret_only_when_asked() -> None:
    admin = ApiClient()
    made = admin.send("POST", "/api/webhooks", NEW).json()
    path = f"/api/webhooks/{made['id']}"
    changed = admin.send("PATCH", path, {"enabled": False, "events": []}).json()
    assert (changed["enabled"], changed["events"], changed["name"], changed["secret"]) == (False, [], "ops", None)
    renewed = admin.send("PATCH", path, {"new_secret": True}).json()["secret"]
    assert renewed == Webhook.objects.get().secret != made["secret"]


def test_a_test_is_sent_listed_and_sent_again(receiver: ScriptedServer) -> None:
    admin = ApiClient()
    made = admin.send("POST", "/api/webhooks", NEW | {"url": f"{receiver.url}/hook"}).json()
    path = f"/api/webhooks/{made['id']}"
    sent = admin.send("POST", f"{path}/test").json()
    assert (sent["status"], sent["http_status"], sent["attempts"], sent["event"]) == ("delivered", 200, 1, "test")
    assert admin.read(f"{path}/deliveries")["items"] == [sent]
    again = admin.send("POST", f"{path}/deliveries/{sent['id']}/again").json()
    assert (again["uuid"], len(receiver.requests)) == (sent["uuid"], 2)
    other = admin.send("POST", "/api/webhooks", NEW | {"name": "other"}).json()["id"]
    assert admin.send("POST", f"/api/webhooks/{other}/deliveries/{sent['id']}/again").status_code == 404


def test_it_is_deleted_with_its_messages() -> None:
    admin = ApiClient()
    made = admin.send("POST", "/api/webhooks", NEW).json()
    assert admin.send("DELETE", f"/api/webhooks/{made['id']}").status_code == 204
    assert admin.get(f"/api/webhooks/{made['id']}").status_code == 404


def test_addresses_are_for_admins_only() -> None:
    assert ApiClient(Role.OPERATOR).get("/api/webhooks").status_code == 403
