"""The pages of webhooks and retention, and both in the admin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from registry import notifying, pruning, subscribing
from registry.models import Delivery, Role, Webhook
from tests.builders import make_user
from tests.scripted_http import ScriptedServer, answer

pytestmark = [pytest.mark.django_db, pytest.mark.database]

PAGE = "/settings/webhooks/"


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.script("POST /hook", answer(""))
        yield server


def test_a_webhook_is_added_and_its_secret_is_shown_once(page: Client) -> None:
    added = page.post(PAGE, {"name": "ops", "url": "https://example.org/hook", "events": ["job.failed"]})
    hook = Webhook.objects.get()
    assert hook.events == ["job.failed"]
    assert hook.secret in added.content.decode()
    assert added["Cache-Control"] == "no-store"
    assert hook.secret not in page.get(hook.get_absolute_url()).content.decode() + page.get(PAGE).content.decode()


def test_a_bad_address_comes_back_with_the_reason(page: Client) -> None:
    answer = page.post(PAGE, {"name": "ops", "url": "http://169.254.169.254/"})
    assert "nothing is ever sent there" in answer.content.decode()
    assert not Webhook.objects.exists()


def test_a_test_to_an_address_that_cannot_be_says_so(page: Client) -> None:
    hook, _ = subscribing.add_webhook("ops", "https://example.org/hook")
    Webhook.objects.update(url="http://127.0.0.1:99999/")
    told = page.post(f"{PAGE}{hook.pk}/test/", follow=True)
    assert told.status_code == 200
    assert "ops did not take the message: it could not be sent; check the address." in told.content.decode()


def test_a_test_is_sent_and_the_log_says_how_it_went(page: Client, receiver: ScriptedServer) -> None:
    hook, _ = subscribing.add_webhook("ops", f"{receiver.url}/hook")
    told = page.post(f"{PAGE}{hook.pk}/test/", follow=True).content.decode()
    assert "ops took the message (HTTP 200)." in told
    receiver.script("POST /hook", answer("", 418))
    again = page.post(f"{PAGE}messages/{Delivery.objects.get().pk}/again/", follow=True).content.decode()
    assert "ops did not take the message: HTTP 418." in again
    assert len(receiver.requests) == 2


def test_it_is_changed_switched_off_and_deleted(page: Client) -> None:
    hook, secret = subscribing.add_webhook("ops", "https://example.org/hook")
    page.post(hook.get_absolute_url(), {"name": "chat", "url": "https://example.org/chat"})
    page.post(f"{PAGE}{hook.pk}/switch/")
    renewed = page.post(f"{PAGE}{hook.pk}/secret/")
    hook.refresh_from_db()
    assert (hook.name, hook.url, hook.enabled) == ("chat", "https://example.org/chat", False)
    assert hook.secret in renewed.content.decode()
    assert hook.secret != secret
    assert "Delete chat?" in page.get(f"{PAGE}{hook.pk}/delete/").content.decode()
    page.post(f"{PAGE}{hook.pk}/delete/")
    assert not Webhook.objects.exists()


def test_the_log_is_read_page_by_page_with_few_queries(page: Client, django_assert_max_num_queries: object) -> None:
    hook, _ = subscribing.add_webhook("ops", "https://example.org/hook")
    notifying.notify_many("job.failed", [(f"scan {n}", {}) for n in range(60)])
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        first = page.get(hook.get_absolute_url())
    assert len(first.context["page"].items) == 50
    assert len(page.get(hook.get_absolute_url() + first.context["pages"]["next"]).context["page"].items) == 10


@pytest.mark.parametrize("address", [PAGE, "/settings/retention/"])
def test_others_than_admins_do_not_see_them(client: Client, address: str) -> None:
    client.force_login(make_user(role=Role.OPERATOR))
    assert client.get(address).status_code == 403
    assert "Webhooks" not in client.get("/settings/").content.decode()


def test_retention_is_shown_with_what_there_is_and_saved(page: Client) -> None:
    assert "for ever" in page.get("/settings/retention/").content.decode()
    page.post("/settings/retention/", {"state_change_days": "30", "job_days": "", "delivery_days": "7"})
    kept = pruning.retention()
    assert (kept.state_change_days, kept.job_days, kept.record_days, kept.delivery_days) == (30, None, None, 7)


def test_less_than_a_day_is_refused(page: Client) -> None:
    answer = page.post("/settings/retention/", {"job_days": "0"})
    assert answer.context["form"].errors["job_days"]
    assert pruning.retention().job_days == 180


def test_the_admin_adds_webhooks_by_the_same_verb(page: Client) -> None:
    fields = {"name": "ops", "url": "https://example.org/hook", "events": ["job.failed"], "enabled": "on"}
    added = page.post("/admin/registry/webhook/add/", fields, follow=True)
    hook = Webhook.objects.get()
    assert hook.secret in added.content.decode()
    assert "url" in page.post("/admin/registry/webhook/add/", fields | {"url": "ftp://x"}).context["adminform"].errors
    page.post(f"/admin/registry/webhook/{hook.pk}/change/", fields | {"name": "chat"})
    assert Webhook.objects.get().name == "chat"
    for table in ("webhook", "delivery", "retention"):
        assert page.get(f"/admin/registry/{table}/").status_code == 200
    page.post(f"/admin/registry/webhook/{hook.pk}/delete/", {"post": "yes"})
    assert not Webhook.objects.exists()
