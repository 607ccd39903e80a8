"""Notices processes that run but no longer do their work."""

import threading
import time
from collections.abc import Callable

import httpx
import redis
from django.conf import settings
from django.db import DatabaseError, connection

from registry.models import Pulse

EVERY_SECONDS = 5.0
WEB_FAILURES = 3  # in a row, each after up to 5 s
SILENT_SECONDS = 90.0  # without a sign of life of the worker

AskRestart = Callable[[str, str], None]


def web_answers(url: str, timeout: float = 5.0) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=timeout).status_code < 500
    except httpx.HTTPError:
        return False


def broker_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_CLIENT_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


class Watchdog(threading.Thread):
    """Asks for a restart of the web process when it does not answer, of the worker when its pulse stops.

    Time is counted from the last change that was seen, on the monotonic clock: a laptop that slept, or a wrong clock,
    is no reason to start anything again.
    """

    def __init__(self, url: str, stopping: threading.Event, ask_restart: AskRestart) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.url = url
        self.stopping = stopping
        self.ask_restart = ask_restart
        self.failures = 0
        self.last_pulse: object = None
        self.changed_at = time.monotonic()

    def run(self) -> None:
        while not self.stopping.wait(EVERY_SECONDS):
            self.look_at_web()
            try:
                self.look_at_worker()
            except DatabaseError:
                self.changed_at = time.monotonic()
            finally:
                connection.close()

    def look_at_web(self) -> None:
        self.failures = 0 if web_answers(self.url) else self.failures + 1
        if self.failures >= WEB_FAILURES:
            self.failures = 0
            self.ask_restart("web", "does not answer")

    def look_at_worker(self) -> None:
        pulse = Pulse.objects.filter(name="worker").values_list("seen", flat=True).first()
        allowed = max(SILENT_SECONDS, 4 * settings.RECONCILE_SECONDS)
        if pulse != self.last_pulse or not broker_answers():
            self.last_pulse, self.changed_at = pulse, time.monotonic()
        elif time.monotonic() - self.changed_at > allowed:
            self.changed_at = time.monotonic()
            for name in ("beat", "worker"):  # the pulse is asked for by the one and made by the other
                self.ask_restart(name, f"has shown no life for {allowed:.0f} s")
