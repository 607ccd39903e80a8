"""Says each second what this process is carrying, and writes what it learned: states, last uses, measured figures."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from registry import draining, states
from registry.gateway.traffic import Seen
from registry.models import ApiToken, GatewayProcess, Instance, LanguageModel, Server
from registry.models.language_model import State
from registry.models.state_change import Cause

if TYPE_CHECKING:
    from registry.gateway.process import Process

EVERY_SECONDS = 1.0
RECENT = timedelta(seconds=2)  # a model stays active for so long after its last request
MEASURE_SECONDS = 60.0
NOTEWORTHY = 0.02  # a measured figure is written when it moved by more

log = logging.getLogger(__name__)


class Reporter:
    """The thread that reports for `process`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.name = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-report", daemon=True)
        self._reported: dict[str, datetime] = {}
        self._was_active = True  # whoever was here before may have left models active
        self._measured_at = time.monotonic()
        self._refusing: set[int] = set()  # that is written
        self._failing = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def register(self) -> None:
        """Makes this process known, before it carries anything: who unloads an instance asks those that are."""
        GatewayProcess.objects.get_or_create(name=self.name, defaults={"seen": Now()})
        GatewayProcess.objects.filter(seen__lt=Now() - timedelta(hours=1)).delete()

    def report(self) -> None:
        """Writes all of it once."""
        seen = self._process.traffic.seen()
        self._say(seen)
        self._note_uses(seen)
        self._note_states(seen)
        self._note_tokens()
        if refusing := self._process.refusing_usage - self._refusing:
            Server.objects.filter(pk__in=refusing).update(refuses_usage=True)
            self._refusing |= refusing
        if time.monotonic() - self._measured_at > MEASURE_SECONDS:
            self._measured_at = time.monotonic()
            self.note_measured()

    def _say(self, seen: Seen) -> None:
        used = {key: at.isoformat() for key, at in seen.last_used.items()}
        fields: dict[str, Any] = {"knows": seen.knows, "in_flight": seen.in_flight, "last_used": used}
        fields["lost_records"] = self._process.spool.lost
        if not GatewayProcess.objects.filter(name=self.name).update(seen=Now(), **fields):
            self.register()  # the next report fills it

    def _note_uses(self, seen: Seen) -> None:
        for key, at in seen.last_used.items():
            if self._reported.get(key) != at:
                server, _, name = key.partition(":")
                Instance.objects.filter(server=int(server), instance_id=name).update(last_used=at)
                self._reported[key] = at

    def _note_states(self, seen: Seen) -> None:
        """Models with a request in flight are active; those that had one, and are in memory still, loaded again."""
        now = datetime.now(UTC)
        keys = set(seen.in_flight) | {key for key, at in seen.last_used.items() if now - at < RECENT}
        others = GatewayProcess.objects.filter(seen__gte=Now() - draining.SILENT).exclude(name=self.name)
        keys |= {key for process in others for key in process.in_flight}
        if not (keys or self._was_active):
            return
        loaded = Instance.objects.values_list("model_id", "server_id", "instance_id")
        at_work = {model for model, server, name in loaded if draining.key_of(server, name) in keys}
        free = Q(server__experiment=None) | Q(server__experiment_until__lt=Now())
        rested = LanguageModel.objects.filter(free, state=State.ACTIVE, instances__isnull=False).exclude(pk__in=at_work)
        begun = LanguageModel.objects.filter(state=State.LOADED, pk__in=at_work)
        wanted = dict.fromkeys(rested.distinct(), State.LOADED) | dict.fromkeys(begun, State.ACTIVE)
        if wanted:
            states.changes(wanted, cause=Cause.GATEWAY)
        self._was_active = bool(keys)

    def _note_tokens(self) -> None:
        used, self._process.used_tokens = self._process.used_tokens, set()
        if used:
            stale = Q(last_used=None) | Q(last_used__lt=timezone.now() - timedelta(minutes=1))
            ApiToken.objects.filter(stale, pk__in=used).update(last_used=timezone.now())

    def note_measured(self) -> None:
        """Writes how many characters a token of each model had, where that was told."""
        measured, self._process.measured = self._process.measured, {}
        for model in LanguageModel.objects.filter(pk__in=list(measured)):
            characters, tokens = measured[model.pk]
            ratio, known = characters / tokens, model.characters_per_token
            if known is None or abs(ratio - known) > NOTEWORTHY * known:
                ratio = ratio if known is None else (ratio + known) / 2
                LanguageModel.objects.filter(pk=model.pk).update(characters_per_token=round(ratio, 3))

    def _run(self) -> None:
        while not self._ending.wait(EVERY_SECONDS):
            try:
                self.report()
                self._failing = False
            except (DatabaseError, InterfaceError) as error:
                if not self._failing:
                    log.warning("The gateway cannot report now: %s", str(error).strip())
                self._failing = True
                connection.close()
            except Exception:
                log.exception("The gateway could not report.")
                connection.close()
        connection.close()
