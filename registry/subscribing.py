"""Adds, changes and deletes webhooks, and sends by hand what they can be tried with."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from registry import auditing, delivering, notifying
from registry.models import Delivery, User, Webhook
from registry.models.webhook import DeliveryStatus

PREFIX = "whsec_"


def add_webhook(
    name: str, url: str, events: Collection[str] = (), *, enabled: bool = True, made_by: User | None = None
) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is shown once; no events = all. ValueError with a text for people."""
    hook = Webhook(name=_named(name), url=delivering.checked_address(url), events=_chosen(events), enabled=enabled)
    hook.created_by, hook.secret = made_by, (secret := PREFIX + secrets.token_urlsafe(32))
    with transaction.atomic():
        _save(hook)
        auditing.note("add", hook, summary=f"to {hook.url}")
    return hook, secret


def edit_webhook(hook: Webhook, **fields: Any) -> Webhook:
    """Changes `name`, `url`, `events` or `enabled`; ValueError with a text for people."""
    clean: dict[str, Callable[[Any], Any]] = {
        "name": _named, "url": delivering.checked_address, "events": _chosen, "enabled": bool,
    }  # fmt: skip
    changes = {}
    for field, value in fields.items():
        before, after = getattr(hook, field), clean[field](value)
        if before != after:
            changes[field] = (before, after)
            setattr(hook, field, after)
    if changes:
        with transaction.atomic():
            _save(hook)
            auditing.note("edit", hook, changes=changes)
    return hook


@transaction.atomic
def renew_secret(hook: Webhook) -> str:
    """A new secret for messages from now on, also those that wait; it is shown once."""
    hook.secret = secret = PREFIX + secrets.token_urlsafe(32)
    hook.save(update_fields=["secret_sealed"])
    auditing.note("edit", hook, summary="a new secret")
    return secret


@transaction.atomic
def delete_webhook(hook: Webhook) -> None:
    """Deletes it with its messages, also those that wait."""
    auditing.note("delete", hook)
    hook.delete()


def send_test(hook: Webhook) -> Delivery:
    """Sends a message that says nothing, at once."""
    details = {"text": "LMStrix sends this to try the webhook."}
    test = notifying.message(hook, notifying.TEST, hook.name, details)
    test.save()
    return delivering.deliver_now(test)


def send_again(delivery: Delivery) -> Delivery:
    """Sends a message again at once, with the same id; its tries are counted anew."""
    now = timezone.now()
    ended = Delivery.objects.filter(pk=delivery.pk)
    ended.update(status=DeliveryStatus.WAITING, next_try=now, attempts=0, delivered=None)
    delivery.refresh_from_db()
    return delivering.deliver_now(delivery)


def _named(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 100:
        raise ValueError("The name of a webhook has 1 to 100 characters.")
    return name


def _chosen(events: Collection[str]) -> list[str]:
    unknown = sorted(set(events) - set(notifying.EVENTS))
    if unknown:
        raise ValueError(f"There is no event {unknown[0]}; there is {', '.join(notifying.EVENTS)}.")
    return [event for event in notifying.EVENTS if event in events]


def _save(hook: Webhook) -> None:
    try:
        with transaction.atomic():
            hook.save()
    except IntegrityError as error:
        raise ValueError(f"There is a webhook called {hook.name} already; give another name.") from error
