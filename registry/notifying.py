"""Tells webhooks what happened: one message for each that chose this kind of event, written with what it tells of.

A message is a row in the transaction of the event, so that neither exists without the other; `delivering` sends it.
"""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Count
from django.utils import timezone

from registry.models import Delivery, Job, Server, StateChange, Webhook
from registry.models.language_model import State
from registry.models.webhook import DeliveryStatus

EVENTS = {
    "state.changed": "a model was loaded, unloaded or failed",
    "load.drift": "a server loaded something else than was asked for",
    "model.evicted": "the memory policy unloaded a model",
    "test.finished": "a context test reached a verdict",
    "job.failed": "a job failed",
    "server.unreachable": "a server stopped answering",
    "server.back": "a server answers again",
}
CHOICES = [(event, f"{event}: {meaning}") for event, meaning in EVENTS.items()]
TEST = "test"  # sent by hand, chosen by nobody
MOST_WAITING = 1_000  # messages one webhook may have waiting; what comes on top is dropped and logged

log = logging.getLogger(__name__)

Told = tuple[str, Mapping[str, Any]]  # subject, details


def notify(event: str, subject: str, details: Mapping[str, Any]) -> int:
    """Writes a message to every webhook that wants `event`; gives how many. One query where there is none.

    `subject`: the object's name. `details`: JSON values that go out as they are, so never a secret.
    """
    return notify_many(event, [(subject, details)])


def notify_many(event: str, told: Iterable[Told]) -> int:
    """The same for many objects at once; `told` is only read when somebody wants it."""
    wanting = [hook for hook in Webhook.objects.filter(enabled=True) if not hook.events or event in hook.events]
    wanting = _with_room(wanting) if wanting else []
    rows = [message(hook, event, subject, details) for subject, details in told for hook in wanting] if wanting else []
    return len(Delivery.objects.bulk_create(rows, batch_size=500)) if rows else 0


def _with_room(hooks: Sequence[Webhook]) -> list[Webhook]:
    """Those that are not too far behind."""
    waiting = Delivery.objects.filter(status=DeliveryStatus.WAITING, webhook__in=hooks).order_by()
    counts = dict(waiting.values_list("webhook").annotate(Count("pk")))
    full = [hook for hook in hooks if counts.get(hook.pk, 0) >= MOST_WAITING]
    for hook in full:
        log.warning("webhook %s has %s messages waiting; a new one is dropped", hook, counts[hook.pk])
    return [hook for hook in hooks if hook not in full]


def message(hook: Webhook, event: str, subject: str, details: Mapping[str, Any]) -> Delivery:
    """One message, not saved; its `uuid` stays the same however often it is sent."""
    name, now = uuid.uuid4(), timezone.now()
    body = {"id": str(name), "event": event, "at": now.isoformat(), "subject": subject, "details": details}
    return Delivery(webhook=hook, uuid=name, event=event, body=_storable(body))


def _storable(value: Any) -> Any:
    """`value` as plain JSON, without NUL, which a database may refuse: telling must never undo what is told of."""
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value).replace("\0", "").encode(errors="replace").decode()


def state_changes(rows: Sequence[StateChange]) -> int:
    """Tells of logged state changes, once for a model however many registries have it.

    That a request came or went (loaded <-> active) is not told: a busy model would send two messages for each.
    """
    requests = {State.LOADED, State.ACTIVE}
    news = {(row.server_id, row.model_key): row for row in rows if {row.old, row.new} != requests}
    return notify_many("state.changed", _states(list(news.values()))) if news else 0


def _states(rows: Sequence[StateChange]) -> Iterator[Told]:
    names = dict(Server.objects.filter(pk__in={row.server_id for row in rows}).values_list("pk", "name"))
    for row in rows:
        yield row.model_key, {
            "model": row.model_id, "server": names.get(row.server_id or 0), "old": row.old, "new": row.new,
            "cause": row.cause, "reason": row.reason, "context_length": row.context_length,
        }  # fmt: skip


def job_failed(job: Job, error: str) -> int:
    """Tells that a job failed; of a family each part that did, not the parent."""
    details = {"job": job.pk, "kind": job.kind, "title": job.title, "error": error[:1000], "page": f"/jobs/{job.pk}/"}
    return notify("job.failed", job.title or str(job), details)


def server_silent(server: Server, error: str) -> int:
    """Tells that a server stopped answering; call it when that changed."""
    return notify("server.unreachable", server.name, {"server": server.pk, "error": error[:1000]})


def server_back(server: Server) -> int:
    """Tells that a server answers again; call it when that changed. `server` is the row from before."""
    last = server.last_seen.isoformat() if server.last_seen else None
    return notify("server.back", server.name, {"server": server.pk, "last_seen": last})
