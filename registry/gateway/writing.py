"""Carries what the spool holds into the database, in a thread of the gateway's process."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DataError, IntegrityError, connection
from django.utils import timezone

from registry import recording
from registry.gateway.journal import Entry
from registry.gateway.spool import Spool
from registry.models import KeptExchange
from registry.models.usage import Outcome, Source
from registry.record_rows import Row

BATCH = 500
PAUSE_SECONDS = 0.1
TIDY_SECONDS = 1.0
ADOPT_SECONDS = 15.0  # how often it is looked for what other processes left
LONGEST_BACKOFF = 5.0
MOST = 2**62
OUTCOMES = frozenset(Outcome.values)
# what is wrong with a request itself; everything else is wrong with the database, and may be right again later
UNFIT = (DataError, IntegrityError, ValueError, TypeError, KeyError, AttributeError)

log = logging.getLogger(__name__)


class Writer:
    """Writes requests that have ended, in batches, each once; what cannot be written stays in the spool meanwhile."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.refused = 0  # requests that the database will never take
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)
        self._batch: list[Entry] = []
        self._failing = False
        self._adopted_at = self._tidied_at = -ADOPT_SECONDS

    def start(self) -> Writer:
        self._thread.start()
        return self

    def stop(self, timeout: float = 5.0) -> None:
        """Writes what is there, waiting so many seconds at most; the rest is adopted by the next process."""
        self._ending.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        while True:
            try:
                more = self._write_next()
                pause, done = (0.0 if more else PAUSE_SECONDS), not more and not self.spool.pending
                self._say_better()
            except Exception as error:  # this thread must not die: without it nothing is recorded
                self._say_failing(error)
                pause, done = min(max(pause * 2, PAUSE_SECONDS), LONGEST_BACKOFF), True
            if self._ending.wait(pause) and done:
                break
        _disconnect()

    def _write_next(self) -> bool:
        """Writes the next batch, or the one that could not be written; whether there is more to write."""
        self._batch = self._batch or self._take()
        count = len(self._batch)
        if count:
            self._write(self._batch)
            self._batch = []
        idle = time.monotonic() - self._tidied_at > TIDY_SECONDS
        if count or idle:
            self._tidied_at = time.monotonic()
            self.spool.settle()
        if idle:
            _disconnect()  # an idle thread holds no connection
        return count >= BATCH

    def _say_failing(self, error: Exception) -> None:
        _disconnect()
        if not self._failing:
            log.warning("Requests are not recorded now; they are kept in the spool: %s", str(error).strip())
            self._failing = True

    def _say_better(self) -> None:
        if self._failing:
            log.info("Requests are recorded again.")
            self._failing = False

    def _take(self) -> list[Entry]:
        if time.monotonic() - self._adopted_at > ADOPT_SECONDS:
            self._adopted_at = time.monotonic()
            if found := self.spool.adopt():
                log.info("Adopted the requests of %d processes that are gone.", found)
        return self.spool.take(BATCH)

    def _write(self, entries: Sequence[Entry]) -> None:
        """Records all of them; one that the database refuses for what it says does not hold up the others."""
        try:
            _record(entries)
        except UNFIT as error:
            if len(entries) == 1:
                self.refused += 1
                log.error("Request %s cannot be recorded: %s", entries[0].uuid, str(error).strip())
                return
            half = len(entries) // 2
            self._write(entries[:half])
            self._write(entries[half:])


def _disconnect() -> None:
    with contextlib.suppress(Exception):  # of a database that is away
        connection.close()


def _record(entries: Sequence[Entry]) -> None:
    exchanges = [_exchange(entry) for entry in entries if _keeps(entry)]
    recording.record_rows([_row(entry) for entry in entries], exchanges=exchanges)


def _row(entry: Entry) -> Row:
    """What the gateway noted, in the order of the columns, each made fit for its column."""
    get = entry.fields.get
    outcome = get("outcome")
    return (
        _moment(get("started")),
        _number(get("model_id")),
        _number(get("server_id")),
        _number(get("token_id")),
        outcome if outcome in OUTCOMES else Outcome.ERROR.value,
        bool(get("stream")),
        _number(get("duration_us")),
        _number(get("ttft_us")),
        _number(get("tokens_in")),
        _number(get("tokens_out")),
        _number(get("tokens_unsplit")),
        entry.uuid,
        _text(get("model_key"), 500),
        _text(get("endpoint"), 20),
        _text(get("source"), 10) or Source.GATEWAY.value,
        _number(get("status"), 32_767),
        _text(get("error"), 300),
        bool(get("estimated")),
        _number(get("overhead_us")),
    )


def _number(value: Any, most: int = MOST) -> int | None:
    return None if value is None else min(max(int(value), 0), most)


def _text(value: Any, longest: int) -> str:
    return str(value or "").replace("\0", "")[:longest]


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return timezone.now()
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _keeps(entry: Entry) -> bool:
    return isinstance(entry.fields.get("keep"), Mapping) and bool(entry.fields.get("token_id"))


def _exchange(entry: Entry) -> KeptExchange:
    keep = entry.fields["keep"]
    return KeptExchange(
        record_uuid=entry.uuid,
        token_id=entry.fields["token_id"],
        request=str(keep.get("request") or "").replace("\0", ""),
        answer=str(keep.get("answer") or "").replace("\0", ""),
        expires=_moment(keep.get("expires")),
    )
