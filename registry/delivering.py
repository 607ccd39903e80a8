"""Sends messages to webhooks: signed, to checked addresses only, again and again until they are taken or given up.

A message can arrive twice (the answer to the first was lost): receivers tell by its X-LMStrix-Delivery.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

import anyio
import httpx
from django.db.models import F, QuerySet
from django.utils import timezone

from registry import sealing
from registry.lmstudio.address import why_forbidden
from registry.lmstudio.transport import CheckedTransport, Forbidden
from registry.models import Delivery, Webhook
from registry.models.webhook import DeliveryStatus
from registry.waiting import wait_for

SECONDS = 10.0  # for one message, from resolving the name to the status
WAITS = (10, 60, 300, 1800, 7200, 21_600)  # seconds until the next try, after the first, second, ... that failed
AT_ONCE = 20  # messages of one webhook in one round
LEASE_SECONDS = 300  # a message taken by a process that died is sent again after that
KEPT = 300  # characters of an error
WAITING = DeliveryStatus.WAITING
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)  # the last part of a host that is read as an IP address

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parcel:
    """What goes out for one message."""

    pk: int
    url: str
    secret: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What came of sending: a status, or why there is none."""

    status: int | None = None
    error: str = ""

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def checked_address(text: str) -> str:
    """The address of a webhook as it is kept; ValueError for people. Names are looked up when used."""
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"This is not a valid address: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("The address of a webhook begins with http:// or https:// and names a host.")
    if url.userinfo or url.fragment:
        raise ValueError("The address of a webhook holds no user name, no password and no #; messages are signed.")
    if len(str(url)) > 500:
        raise ValueError("The address of a webhook has at most 500 characters.")
    if url.port is not None and not 1 <= url.port <= 65535:
        raise ValueError(f"{url.port} is no port; the port in the address of a webhook is between 1 and 65535.")
    try:
        reason = why_forbidden(str(ip_address(url.host)))
    except ValueError:
        _check_name(url.raw_host.decode("ascii"))
        return str(url)
    if reason:
        raise ValueError(f"{url.host} is {reason}; nothing is ever sent there. Give the receiver's own address.")
    return str(url)


def _check_name(host: str) -> None:
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or any(not 1 <= len(label) <= 63 for label in labels):
        raise ValueError(
            "The host name in the address is not valid: it has at most 253 letters, and 1 to 63 between two dots."
        )
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError(f"{host} is a number, no host name; write the IP address in full, like http://192.0.2.1/.")


def signature(secret: str, body: bytes, at: int) -> str:
    """The value of X-LMStrix-Signature: HMAC SHA-256 of `at`.`body`, in seconds of the epoch."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def deliver_due() -> int:
    """Sends what is due, all webhooks at once and each one's messages in their order; gives how many were taken.

    After a failure the other messages of that webhook wait too: one that hangs is asked once in ten seconds.
    """
    due = Delivery.objects.filter(status=WAITING, next_try__lte=timezone.now(), webhook__enabled=True)
    hooks = due.order_by().values_list("webhook", flat=True).distinct()
    batches = [[each for each in _first(due, hook) if _take(each)] for hook in hooks]
    return _carry([batch for batch in batches if batch])


def _first(due: QuerySet[Delivery], hook: int) -> QuerySet[Delivery]:
    return due.filter(webhook=hook).select_related("webhook").order_by("next_try", "pk")[:AT_ONCE]


def deliver_now(delivery: Delivery) -> Delivery:
    """Sends one message at once, in this thread (at most ten seconds), and gives it as it is then."""
    if _take(delivery):
        _carry([[delivery]])
    delivery.refresh_from_db()
    return delivery


def _take(delivery: Delivery) -> bool:
    """Makes this process the only one that sends the message, for a while."""
    until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
    mine = Delivery.objects.filter(pk=delivery.pk, status=WAITING, next_try=delivery.next_try)
    taken = mine.update(next_try=until, attempts=F("attempts") + 1)
    delivery.attempts += taken
    return taken == 1


def _carry(batches: Sequence[list[Delivery]]) -> int:
    """Sends the batches at the same time and writes what came of each message."""
    if not batches:
        return 0
    answers: dict[int, Answer] = {}
    parcels = [[parcel for each in batch if (parcel := _packed(each, answers))] for batch in batches]

    async def send_all() -> None:
        async with anyio.create_task_group() as group:
            for batch in parcels:
                group.start_soon(_send_batch, batch, answers)

    wait_for(send_all)
    for batch in batches:
        for delivery in batch:
            _note(delivery, answers.get(delivery.pk))
        if any(not answer.taken for each in batch if (answer := answers.get(each.pk))):
            _hold_back(batch[0].webhook)
    return sum(answer.taken for answer in answers.values())


def _packed(delivery: Delivery, answers: dict[int, Answer]) -> Parcel | None:
    hook = delivery.webhook
    try:
        secret = hook.secret
    except sealing.Unreadable:
        answers[delivery.pk] = Answer(error="its secret cannot be read any more; make a new one on its page")
        return None
    body = json.dumps(delivery.body, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "LMStrix",
        "X-LMStrix-Event": delivery.event,
        "X-LMStrix-Delivery": str(delivery.uuid),
    }
    return Parcel(delivery.pk, hook.url, secret, headers, body)


async def _send_batch(batch: list[Parcel], answers: dict[int, Answer]) -> None:
    for parcel in batch:
        try:
            answers[parcel.pk] = await _send(parcel)
        except Exception:  # whatever it is, the other webhooks get their messages
            logger.exception("A message to %s could not be sent", parcel.url)
            answers[parcel.pk] = Answer(error="it could not be sent; check the address")
        if not answers[parcel.pk].taken:
            return


async def _send(parcel: Parcel) -> Answer:
    """One POST; of the answer only its status is looked at, and nothing of it is kept."""
    headers = parcel.headers | {"X-LMStrix-Signature": signature(parcel.secret, parcel.body, int(time.time()))}
    transport = CheckedTransport(https=parcel.url.startswith("https:"))
    client = httpx.AsyncClient(transport=transport, timeout=SECONDS, follow_redirects=False, trust_env=False)
    try:
        with anyio.fail_after(SECONDS):
            async with client, client.stream("POST", parcel.url, headers=headers, content=parcel.body) as answer:
                return Answer(answer.status_code, _why(answer.status_code))
    except Forbidden as error:
        return Answer(error=f"the address is not allowed: {error}")
    except (TimeoutError, httpx.TimeoutException):
        return Answer(error=f"no answer within {SECONDS:g} seconds")
    except httpx.ConnectError:
        return Answer(error="no connection; is the receiver running?")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answer(error=f"the connection broke off ({type(error).__name__})")


def _why(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"HTTP {status}: it sends on to another address, which is not followed; give the final one"
    return f"HTTP {status}"


def _note(delivery: Delivery, answer: Answer | None) -> None:
    """Writes how sending went; `None`: it was not its turn, since one before it failed."""
    now, row = timezone.now(), Delivery.objects.filter(pk=delivery.pk)
    if answer is None:
        row.update(next_try=now, attempts=delivery.attempts - 1)
    elif answer.taken:
        row.update(status=DeliveryStatus.DELIVERED, http_status=answer.status, error="", delivered=now)
    else:
        told = {"http_status": answer.status, "error": answer.error[:KEPT]}
        if delivery.attempts > len(WAITS):
            row.update(status=DeliveryStatus.FAILED, **told)
        else:
            row.update(next_try=now + timedelta(seconds=WAITS[delivery.attempts - 1]), **told)


def _hold_back(hook: Webhook) -> None:
    later = timezone.now() + timedelta(seconds=WAITS[0])
    Delivery.objects.filter(webhook=hook, status=WAITING, next_try__lt=later).update(next_try=later)
