"""Says that LMStrix is ready, with the first models in it, and opens the browser."""

import os
import sys
import threading
import time
import webbrowser
from collections.abc import Callable

from django.db import connection

from lmstrix_site.supervisor.checks import lm_studio_answers
from lmstrix_site.supervisor.first_server import ENGINE_NAME
from lmstrix_site.supervisor.health import broker_answers, web_answers
from registry import scanning
from registry.models import Job, Server, User
from registry.signing_in import link_for

PATIENCE_SECONDS = 60.0
FIRST_SCAN_SECONDS = 4.0  # how long the ready line waits for the first models


class Greeting(threading.Thread):
    """Runs beside the supervisor at the start: first scan, ready line, browser."""

    def __init__(
        self,
        url: str,
        server: Server | None,
        *,
        browser: bool,
        stopping: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(name="greeting", daemon=True)
        self.url, self.server, self.browser, self.stopping, self.say = url, server, browser, stopping, say

    def run(self) -> None:
        try:
            self._greet()
        finally:
            connection.close()

    def _greet(self) -> None:
        scan = None
        try:
            scan = self._first_scan(self.server) if self.server is not None else None
        except Exception as error:  # without it everything else still works, and beat asks for a scan later
            self.say(f"The first scan could not be asked for: {error}")
        if not self._until(lambda: web_answers(self.url, 1.0), PATIENCE_SECONDS):
            if not self.stopping.is_set():
                self.say("The pages do not answer yet; `lmstrix doctor` says more.")
            return
        if scan is not None and self.server is not None and not self.server.models.exists():
            self._until(lambda: not Job.objects.open().filter(pk=scan.pk).exists(), FIRST_SCAN_SECONDS)
        self._say_ready()

    def _first_scan(self, server: Server) -> Job:
        if server.name == ENGINE_NAME:  # it is being started beside us
            self._until(lambda: lm_studio_answers(server.base_url, ""), PATIENCE_SECONDS / 2)
        self._until(broker_answers, 5.0)
        return scanning.enqueue(server, door="up")

    def _say_ready(self) -> None:
        admin = User.objects.filter(role="admin", is_active=True).order_by("pk").first()
        if admin is None:
            self.say(f"LMStrix is ready: {self.url}/login/")
            return
        self.say(f"LMStrix is ready: {link_for(admin)}")
        self.say("The link signs in once, within 10 minutes; `lmstrix login` prints another. Ctrl-C ends everything.")
        if self.browser and has_display():
            webbrowser.open(link_for(admin))

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Waits for a condition; False when it did not come true in time, or everything ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline or self.stopping.wait(0.1):
                return False
        return True


def has_display() -> bool:
    """Whether a browser window can open here."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
