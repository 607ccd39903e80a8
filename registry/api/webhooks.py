"""Webhooks over REST; their addresses may hold secrets of others, so that only admins see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from registry import subscribing
from registry.api.access import Request, operation
from registry.api.fields import Body, Id, Name, Text
from registry.api.lists import Items, Listing, found, listed
from registry.models import Delivery, Role, Webhook

router = Router(tags=["webhooks"])

EventName = Literal[
    "state.changed", "load.drift", "model.evicted", "test.finished", "job.failed", "server.unreachable", "server.back"
]
Events = Annotated[list[EventName], Field(max_length=20, description="empty: all")]


class WebhookShape(BaseModel):
    """An address that gets signed messages; no `events` means all."""

    id: int
    name: str
    url: str
    events: list[str]
    enabled: bool
    created: datetime
    created_by: str | None

    @classmethod
    def of(cls, hook: Webhook) -> WebhookShape:
        return cls(
            id=hook.pk,
            name=hook.name,
            url=hook.url,
            events=hook.events,
            enabled=hook.enabled,
            created=hook.created,
            created_by=str(hook.created_by) if hook.created_by else None,
        )


class NewWebhook(Body):
    """A webhook to add."""

    name: Name
    url: Text
    events: Events = []
    enabled: bool = True


class WebhookChange(Body):
    """What to change: a field left out (or null) stays; `new_secret` makes the old one useless."""

    name: Name | None = None
    url: Text | None = None
    events: Events | None = None
    enabled: bool | None = None
    new_secret: bool = False


class WebhookWithSecret(WebhookShape):
    """A webhook with the secret that its messages are signed with, which cannot be read again; else null."""

    secret: str | None


class DeliveryShape(BaseModel):
    """One message: `attempts` so far, the `http_status` of the last answer, and when it is tried again."""

    id: int
    uuid: UUID
    event: str
    body: dict[str, Any]
    status: Literal["waiting", "delivered", "failed"]
    attempts: int
    http_status: int | None
    error: str | None
    created: datetime
    next_try: datetime | None
    delivered: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryShape:
        plain = ("id", "uuid", "event", "body", "status", "attempts", "http_status", "created", "delivered")
        waiting = delivery.status == "waiting"
        told = {name: getattr(delivery, name) for name in plain}
        return cls(**told, error=delivery.error or None, next_try=delivery.next_try if waiting else None)


@operation(router.get, "", role=Role.ADMIN, answers=Items[WebhookShape])
def list_webhooks(request: Request, wanted: Query[Listing]) -> Items[WebhookShape]:
    """Webhooks by name."""
    hooks = Webhook.objects.select_related("created_by")
    return listed(WebhookShape, hooks, wanted, sort="name", columns={"name": "name"})


@operation(router.post, "", role=Role.ADMIN, answers=WebhookWithSecret, status=201)
def add_webhook(request: Request, webhook: NewWebhook) -> Status[WebhookWithSecret]:
    """Adds a webhook; `secret` is shown this once."""
    hook, secret = subscribing.add_webhook(**webhook.model_dump(), made_by=request.auth.user)
    return Status(201, WebhookWithSecret(**WebhookShape.of(hook).model_dump(), secret=secret))


@operation(router.get, "/{int:id}", role=Role.ADMIN, answers=WebhookShape)
def get_webhook(request: Request, id: Id) -> WebhookShape:
    """One webhook."""
    return WebhookShape.of(_found(id))


@operation(router.patch, "/{int:id}", role=Role.ADMIN, answers=WebhookWithSecret)
def edit_webhook(request: Request, id: Id, change: WebhookChange) -> WebhookWithSecret:
    """Changes a webhook; messages that wait go to the new address."""
    fields = change.model_dump(exclude={"new_secret"}, exclude_none=True)
    hook = subscribing.edit_webhook(_found(id), **fields)
    secret = subscribing.renew_secret(hook) if change.new_secret else None
    return WebhookWithSecret(**WebhookShape.of(hook).model_dump(), secret=secret)


@operation(router.delete, "/{int:id}", role=Role.ADMIN, answers=None, status=204)
def delete_webhook(request: Request, id: Id) -> Status[None]:
    """Deletes a webhook with its messages."""
    subscribing.delete_webhook(_found(id))
    return Status(204, None)


@operation(router.post, "/{int:id}/test", role=Role.ADMIN, answers=DeliveryShape)
def try_webhook(request: Request, id: Id) -> DeliveryShape:
    """Sends a message that says nothing, waits for the answer (at most 10 seconds) and tells how it went."""
    return DeliveryShape.of(subscribing.send_test(_found(id)))


@operation(router.get, "/{int:id}/deliveries", role=Role.ADMIN, answers=Items[DeliveryShape])
def list_deliveries(request: Request, id: Id, wanted: Query[Listing]) -> Items[DeliveryShape]:
    """The messages of a webhook, newest first."""
    return listed(DeliveryShape, _found(id).deliveries.all(), wanted, reverse=True)


@operation(router.post, "/{int:id}/deliveries/{int:delivery}/again", role=Role.ADMIN, answers=DeliveryShape)
def send_again(request: Request, id: Id, delivery: Id) -> DeliveryShape:
    """Sends a message again, with the same id, and tells how it went."""
    message = found(_found(id).deliveries.select_related("webhook"), "message", pk=delivery)
    return DeliveryShape.of(subscribing.send_again(message))


def _found(id: int) -> Webhook:
    return found(Webhook.objects.select_related("created_by"), "webhook", pk=id)
