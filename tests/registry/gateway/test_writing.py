"""The writer thread: what the spool holds comes into the database, whatever happens to that meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DataError, OperationalError, connections, transaction

from registry import recording, rolling_up
from registry.gateway.spool import Spool
from registry.gateway.writing import Writer
from registry.models import ApiToken, InferenceRecord, KeptExchange, Role, Rollup
from tests.gateways import running_gateway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

BEGUN = {"model_key": "m", "model_id": 7, "started": "2026-03-04T12:30:00+00:00", "endpoint": "chat", "stream": True}
ENDED = {"outcome": "ok", "status": 200, "duration_us": 2_000, "ttft_us": 500, "tokens_in": 3, "tokens_out": 9}


@contextmanager
def writing_from(spool: Spool) -> Iterator[Writer]:
    writer = Writer(spool).start()
    try:
        yield writer
    finally:
        writer.stop(20)
        assert not writer._thread.is_alive()
        spool.close()


def note(spool: Spool, count: int = 1, **ended: Any) -> list[UUID]:
    uuids = [uuid4() for _ in range(count)]
    for uuid in uuids:
        spool.begin(uuid, BEGUN)
        spool.end(uuid, ENDED | ended)
    return uuids


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def recorded() -> set[UUID]:
    return set(InferenceRecord.objects.values_list("uuid", flat=True))


def test_a_request_is_in_the_database_soon_after_it_ended(tmp_path: Path) -> None:
    with writing_from(spool := Spool(tmp_path)):
        note(spool)
        wait_for(InferenceRecord.objects.exists, 3)
    row = InferenceRecord.objects.get()
    assert row.started == datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
    assert (row.model_id, row.tokens_out, row.status, row.stream, row.endpoint) == (7, 9, 200, True, "chat")
    assert Rollup.objects.get(scope="model", period="day", model_id=7).tokens_out == 9


def test_stopping_writes_what_is_there_and_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    uuids = note(spool, 1_234)
    with writing_from(spool):
        pass
    assert recorded() == set(uuids)
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_is_recorded_once(tmp_path: Path) -> None:
    dead = Spool(tmp_path)
    uuids = note(dead, 700)
    dead.begin(stopped := uuid4(), BEGUN)
    dead.checkpoint(stopped, {"tokens_out": 4, "estimated": True})
    half = recording.record([InferenceRecord(uuid=uuid, model_key="m") for uuid in uuids[:350]])
    os.close(dead._held)
    with writing_from(Spool(tmp_path)):
        wait_for(lambda: InferenceRecord.objects.count() == 701)
    row = InferenceRecord.objects.get(uuid=stopped)
    assert (half, row.outcome, row.tokens_out, row.estimated) == (350, "interrupted", 4, True)
    assert rolling_up.rederive() == []


def test_a_locked_database_is_waited_for_while_requests_go_on(tmp_path: Path) -> None:
    held, over = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                rolling_up.take_turns()
                held.set()
                over.wait(20)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, writing_from(spool := Spool(tmp_path)):
        holding = pool.submit(hold)
        held.wait(5)
        uuids = note(spool, 100)
        time.sleep(1.5)
        uuids += note(spool, 100)
        assert spool.lost == 0
        over.set()
        holding.result()
        wait_for(lambda: InferenceRecord.objects.count() == 200)
    assert recorded() == set(uuids)


def test_a_database_that_is_away_is_asked_again_and_all_catches_up(tmp_path: Path, monkeypatch: Any) -> None:
    real, tries, back = recording.record_rows, list[float](), Event()

    def away(*args: Any, **more: Any) -> int:
        tries.append(time.monotonic())
        if not back.is_set():
            raise OperationalError("the database is away")
        return real(*args, **more)

    monkeypatch.setattr(recording, "record_rows", away)
    with writing_from(spool := Spool(tmp_path)):
        uuids = note(spool, 1_000)
        wait_for(lambda: len(tries) >= 4)
        back.set()
        wait_for(lambda: InferenceRecord.objects.count() == 1_000)
    assert recorded() == set(uuids)
    assert tries[3] - tries[2] > tries[1] - tries[0]


def test_a_database_that_stays_away_leaves_all_to_the_next_process(tmp_path: Path, monkeypatch: Any) -> None:
    def away(*args: Any, **more: Any) -> int:
        raise OperationalError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(recording, "record_rows", away)
        with writing_from(spool := Spool(tmp_path)):
            uuids = note(spool, 10)
    with writing_from(Spool(tmp_path)):
        wait_for(lambda: InferenceRecord.objects.count() == 10)
    assert recorded() == set(uuids)


def test_a_request_that_cannot_be_recorded_does_not_hold_up_the_others(tmp_path: Path, monkeypatch: Any) -> None:
    real = recording.record_rows

    def choosy(rows: Any, **more: Any) -> int:
        if any("bad" in row for row in rows):
            raise DataError("no")
        return real(rows, **more)

    monkeypatch.setattr(recording, "record_rows", choosy)
    with writing_from(spool := Spool(tmp_path)) as writer:
        note(spool, 20)
        note(spool, model_key="bad")
        note(spool, 20)
        wait_for(lambda: InferenceRecord.objects.count() == 40)
    assert writer.refused == 1


HOSTILE: dict[str, Any] = {
    "model_key": "x" * 900 + "\0",
    "error": "\0" * 9 + "é" * 500,
    "tokens_out": 2**63,
    "status": 10**6,
    "zoo": 1,
}


def test_what_does_not_fit_its_column_is_made_to(tmp_path: Path) -> None:
    with writing_from(spool := Spool(tmp_path)) as writer:
        note(spool, **HOSTILE, started="once", outcome="odd", duration_us=-5)
        wait_for(InferenceRecord.objects.exists)
    row = InferenceRecord.objects.get()
    assert (len(row.model_key), row.error, row.outcome, row.duration_us) == (500, "é" * 300, "error", 0)
    assert writer.refused == 0


def test_what_was_said_is_kept_for_a_token_that_asks_for_it(tmp_path: Path) -> None:
    token, _ = ApiToken.issue("program", Role.OPERATOR)
    keep = {"request": "[]", "answer": "yes", "expires": "2030-01-01T00:00:00+00:00"}
    with writing_from(spool := Spool(tmp_path)):
        note(spool, keep=keep, token_id=token.pk)
        note(spool)
        wait_for(lambda: InferenceRecord.objects.count() == 2)
    kept = KeptExchange.objects.get()
    assert (kept.request, kept.answer, kept.token, kept.expires.year) == ("[]", "yes", token, 2030)


def test_the_first_page_records_what_a_dead_process_left(tmp_path: Path) -> None:
    dead = Spool(tmp_path)
    uuids = note(dead, 3)
    os.close(dead._held)
    with running_gateway(tmp_path) as gateway:
        assert gateway.client.get(f"{gateway.url}/models/").status_code == 418
        wait_for(lambda: recorded() == set(uuids))


def test_a_page_alone_starts_nothing(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        gateway.client.get(f"{gateway.url}/models/")
        assert list(tmp_path.iterdir()) == []
