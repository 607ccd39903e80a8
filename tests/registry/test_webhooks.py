"""Webhooks: who is told what, how messages are signed, tried again and given up, and where they never go."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from registry import delivering, notifying, subscribing
from registry.models import AuditEvent, Delivery, Webhook
from registry.tasks import deliver_webhooks
from tests.scripted_http import HANG, RESET, Request, ScriptedServer, answer, redirect

pytestmark = [pytest.mark.django_db, pytest.mark.database]

HOOK = "POST /hook"


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.script(HOOK, answer(""))
        yield server


def make_webhook(receiver: ScriptedServer, *events: str, name: str = "ops") -> tuple[Webhook, str]:
    return subscribing.add_webhook(name, f"{receiver.url}/hook", events)


def sent(receiver: ScriptedServer) -> list[Request]:
    return receiver.calls(HOOK)


def test_only_webhooks_that_chose_the_event_are_told(receiver: ScriptedServer) -> None:
    all_of_it, _ = make_webhook(receiver, name="all")
    jobs, _ = make_webhook(receiver, "job.failed", name="jobs")
    make_webhook(receiver, "state.changed", name="states")
    off, _ = make_webhook(receiver, name="off")
    subscribing.edit_webhook(off, enabled=False)
    assert notifying.notify("job.failed", "scan 3", {"error": "x"}) == 2
    assert {each.webhook for each in Delivery.objects.all()} == {all_of_it, jobs}


def test_without_a_webhook_an_event_costs_one_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert notifying.notify_many("state.changed", [("qwen", {}), ("gemma", {})]) == 0


def test_an_event_that_is_undone_is_told_to_nobody(receiver: ScriptedServer) -> None:
    make_webhook(receiver)
    with transaction.atomic():
        notifying.notify("job.failed", "scan 3", {})
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_a_message_is_signed_over_its_time_and_body(receiver: ScriptedServer) -> None:
    _, secret = make_webhook(receiver)
    notifying.notify("server.back", "shelf ü", {"after_seconds": 12})
    deliver_webhooks()
    (request,) = sent(receiver)
    at, v1 = (part.partition("=")[2] for part in request.headers["x-lmstrix-signature"].split(","))
    assert v1 == hmac.new(secret.encode(), at.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert abs(int(at) - timezone.now().timestamp()) < 60
    body = json.loads(request.body)
    assert (body["event"], body["subject"], body["details"]) == ("server.back", "shelf ü", {"after_seconds": 12})
    assert body["id"] == request.headers["x-lmstrix-delivery"]
    assert datetime.fromisoformat(body["at"]).utcoffset() == timedelta(0)


def test_whatever_is_told_can_be_stored_and_sent(receiver: ScriptedServer) -> None:
    make_webhook(receiver)
    notifying.notify(
        "job.failed", "a\0b", {"error": "\udc80\0!\\u0000", "at": timezone.now(), "deep": {"x": [None, 1.5]}}
    )
    assert delivering.deliver_due() == 1
    body = json.loads(sent(receiver)[0].body)
    assert (body["subject"], body["details"]["deep"], "\0" in str(body)) == ("ab", {"x": [None, 1.5]}, False)


def test_one_webhook_with_much_to_tell_does_not_hold_up_another(receiver: ScriptedServer) -> None:
    make_webhook(receiver, "job.failed", name="busy")
    notifying.notify_many("job.failed", [(f"job {n}", {}) for n in range(50)])
    make_webhook(receiver, name="quiet")
    notifying.notify("server.back", "shelf", {})
    assert delivering.deliver_due() == delivering.AT_ONCE + 1


def test_what_was_taken_is_not_sent_again(receiver: ScriptedServer) -> None:
    make_webhook(receiver)
    notifying.notify("server.back", "shelf", {})
    assert [delivering.deliver_due(), delivering.deliver_due()] == [1, 0]
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.http_status, delivery.attempts) == ("delivered", 200, 1)
    assert len(sent(receiver)) == 1


def test_a_message_is_tried_seven_times_over_eight_and_a_half_hours_and_then_failed(receiver: ScriptedServer) -> None:
    receiver.script(HOOK, answer("secret words", 500))
    make_webhook(receiver)
    with time_machine.travel(datetime.fromisoformat("2026-03-01T00:00:00+00:00"), tick=False) as clock:
        notifying.notify("server.back", "shelf", {})
        began, tries = timezone.now(), []
        while (delivery := Delivery.objects.get()).status == "waiting":
            clock.move_to(delivery.next_try)
            tries.append((timezone.now() - began).total_seconds())
            delivering.deliver_due()
    assert tries == [0, 10, 70, 370, 2170, 9370, 30_970]
    assert (delivery.status, delivery.http_status, delivery.error) == ("failed", 500, "HTTP 500")
    assert len({request.headers["x-lmstrix-delivery"] for request in sent(receiver)}) == 1


def test_a_receiver_that_comes_back_gets_what_waited_in_its_order(receiver: ScriptedServer) -> None:
    receiver.script(HOOK, answer("", 503), answer(""))
    make_webhook(receiver)
    with time_machine.travel(datetime.fromisoformat("2026-03-01T00:00:00+00:00"), tick=False) as clock:
        for name in ("one", "two", "three"):
            notifying.notify("server.back", name, {})
        assert delivering.deliver_due() == 0
        assert len(sent(receiver)) == 1, "after a failure the others wait too"
        clock.shift(10)
        assert delivering.deliver_due() == 3
    assert [json.loads(request.body)["subject"] for request in sent(receiver)] == ["one", "one", "two", "three"]
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1, 2}


def test_a_message_that_another_process_sends_is_left_to_it(receiver: ScriptedServer) -> None:
    make_webhook(receiver)
    notifying.notify("server.back", "shelf", {})
    mine, theirs = Delivery.objects.get(), Delivery.objects.get()
    assert [delivering._take(theirs), delivering._take(mine)] == [True, False]
    assert delivering.deliver_due() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=delivering.LEASE_SECONDS + 1)):
        assert delivering.deliver_due() == 1, "its process died: sent after the lease"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (redirect("http://127.0.0.1:1/"), "HTTP 302: it sends on to another address, which is not followed"),
        ([RESET], "the connection broke off"),
        (b"nonsense\r\n\r\n", "the connection broke off"),
    ],
)
def test_what_goes_wrong_is_said_without_the_answers_words(receiver: ScriptedServer, reply: Any, error: str) -> None:
    receiver.script(HOOK, reply)
    hook, _ = make_webhook(receiver)
    delivery = subscribing.send_test(hook)
    assert delivery.status == "waiting"
    assert delivery.error.startswith(error)


def test_a_receiver_that_hangs_is_left_in_time_and_holds_up_no_other(receiver: ScriptedServer) -> None:
    receiver.script("POST /slow", [HANG])
    subscribing.add_webhook("slow", f"{receiver.url}/slow")
    make_webhook(receiver)
    notifying.notify("server.back", "shelf", {})
    with mock.patch.object(delivering, "SECONDS", 0.3):
        assert delivering.deliver_due() == 1
    assert Delivery.objects.get(webhook__name="slow").error == "no answer within 0.3 seconds"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/", "http://224.0.0.1/"]
)
def test_a_forbidden_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="nothing is ever sent there"):
        subscribing.add_webhook("ops", url)


@pytest.mark.parametrize("spelled", ["2852039166", "0xa9fea9fe", "169.254.43518"])
def test_a_name_that_leads_to_a_forbidden_address_is_never_connected_to(spelled: str) -> None:
    hook, _ = subscribing.add_webhook("ops", "https://example.org/")
    hook.url = f"http://{spelled}/latest/meta-data"  # as an older version kept it
    hook.save()
    with mock.patch("socket.socket.connect", side_effect=AssertionError("connected")):
        delivery = subscribing.send_test(hook)
    assert delivery.http_status is None
    assert "not allowed" in delivery.error or "no connection" in delivery.error


def test_a_name_that_changes_its_mind_is_judged_by_the_address_it_leads_to_now(receiver: ScriptedServer) -> None:
    hook, _ = subscribing.add_webhook("ops", f"http://rebinds.example:{receiver.port}/hook")
    there = [(2, 1, 6, "", ("169.254.169.254", receiver.port))]
    with mock.patch("socket.getaddrinfo", return_value=there):
        delivery = subscribing.send_test(hook)
    assert delivery.error.startswith("the address is not allowed: rebinds.example leads to 169.254.169.254")
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "file:///etc/passwd", "http://", "http://user:pw@host/", "hook", "http://h/#x", ""]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        subscribing.add_webhook("ops", url)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1:99999", "99999 is no port"),
        ("host:0", "0 is no port"),
        ("x." * 127 + "org", "at most 253 letters"),
        ("x" * 64 + ".org", "1 to 63 between two dots"),
        ("a..org", "1 to 63 between two dots"),
        ("0xA9FEA9FE", "is a number, no host name"),
        ("2852039166", "is a number, no host name"),
        ("169.254.43518.", "is a number, no host name"),
    ],
)
def test_a_host_that_can_be_none_is_refused_when_it_is_saved(host: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        subscribing.add_webhook("ops", f"http://{host}/hook")


@pytest.mark.parametrize(
    "host", ["localhost:65535", "bücher.example", "[::1]:8080", "10.0.0.1", "x1.example", "3.example"]
)
def test_usual_hosts_are_kept(host: str) -> None:
    assert subscribing.add_webhook("ops", f"http://{host}/hook")[0].url.startswith("http://")


def test_a_message_that_cannot_be_sent_at_all_fails_alone(receiver: ScriptedServer) -> None:
    bad, _ = make_webhook(receiver, name="bad")
    make_webhook(receiver, name="good")
    Webhook.objects.filter(pk=bad.pk).update(url="http://127.0.0.1:99999/")
    notifying.notify("job.failed", "scan 3", {})
    assert delivering.deliver_due() == 1
    failed = bad.deliveries.get()
    assert (failed.attempts, failed.status, len(sent(receiver))) == (1, "waiting", 1)
    assert failed.error == "it could not be sent; check the address"
    assert failed.next_try > timezone.now()


def test_a_name_is_used_once_and_an_unknown_event_is_refused(receiver: ScriptedServer) -> None:
    make_webhook(receiver)
    with pytest.raises(ValueError, match="There is a webhook called ops already"):
        make_webhook(receiver)
    with pytest.raises(ValueError, match=r"There is no event job\.started"):
        make_webhook(receiver, "job.started", name="other")


def test_a_webhook_that_is_far_behind_gets_no_more(receiver: ScriptedServer) -> None:
    make_webhook(receiver)
    with mock.patch.object(notifying, "MOST_WAITING", 2):
        assert [notifying.notify("server.back", "s", {}) for _ in range(4)] == [1, 1, 0, 0]


def test_sending_again_keeps_the_id(receiver: ScriptedServer) -> None:
    hook, _ = make_webhook(receiver)
    first = subscribing.send_test(hook)
    again = subscribing.send_again(first)
    assert (again.status, again.uuid, len(sent(receiver))) == ("delivered", first.uuid, 2)


def test_a_new_secret_signs_from_then_on_and_is_nowhere_in_the_audit(receiver: ScriptedServer) -> None:
    hook, first = make_webhook(receiver)
    second = subscribing.renew_secret(hook)
    assert first != second == Webhook.objects.get().secret
    assert second not in json.dumps(list(AuditEvent.objects.values("changes", "summary")))


def test_a_secret_of_another_key_is_said_to_be_lost(receiver: ScriptedServer) -> None:
    hook, _ = make_webhook(receiver)
    Webhook.objects.update(secret_sealed="damaged")
    hook.refresh_from_db()
    assert "make a new one on its page" in subscribing.send_test(hook).error
    assert not sent(receiver)


def test_the_schedule_sends_them() -> None:

    assert settings.CELERY_BEAT_SCHEDULE["webhooks"]["task"] == deliver_webhooks.name
