"""Tells the web process that something changed; with no broker the pages find out by themselves."""

import json
import logging
import threading
import time

import redis
from django.conf import settings
from django.db import transaction

CHANNEL = "lmstrix:changes"
QUIET_SECONDS = 5.0  # after a failure: nobody waits for a broker that is down

log = logging.getLogger(__name__)
_lock = threading.Lock()
_clients: dict[str, redis.Redis] = {}
_silent_until = 0.0


def _client() -> redis.Redis:
    url = settings.REDIS_CLIENT_URL
    with _lock:
        if url not in _clients:
            _clients[url] = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=0.5)
        return _clients[url]


def announce(kind: str, object_id: int, **more: object) -> None:
    """Publishes `{"kind", "id", ...}` after the current transaction commits."""
    body = json.dumps({"kind": kind, "id": object_id, **more})
    transaction.on_commit(lambda: _publish(body))


def _publish(body: str) -> None:
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        _client().publish(CHANNEL, body)
    except redis.RedisError as error:
        log.debug("not announced: %s", error)
        _silent_until = time.monotonic() + QUIET_SECONDS
