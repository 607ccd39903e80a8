"""Retention: what is too old goes batch by batch, what is open or told of elsewhere stays."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from registry import pruning
from registry.models import (
    ApiToken,
    AuditEvent,
    Delivery,
    InferenceRecord,
    Job,
    KeptExchange,
    Registry,
    Role,
    Rollup,
    Scan,
    StateChange,
    Webhook,
)
from registry.tasks import prune
from tests.builders import make_job, make_server, make_test

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def make_change(days: float) -> StateChange:
    return StateChange.objects.create(model_key="qwen", old="unloaded", new="loaded", cause="seen", at=ago(days))


def make_ended(days: float, **fields: Any) -> Job:
    return make_job(status=fields.pop("status", "succeeded"), ended=ago(days), **fields)


def test_each_kind_goes_after_its_days_and_sums_stay() -> None:
    pruning.save_retention(state_change_days=10, job_days=10, record_days=10, delivery_days=10)
    hook = Webhook.objects.create(name="ops", url="http://x/")
    for days in (9, 12):
        make_change(days)
        make_ended(days)
        InferenceRecord.objects.create(uuid=uuid.uuid4(), model_key="qwen", started=ago(days))
        Delivery.objects.create(
            webhook=hook, uuid=uuid.uuid4(), event="test", body={}, status="failed", created=ago(days)
        )
    Rollup.objects.create(period="day", start=ago(400), scope="all")
    prune()
    counts = [table.objects.count() for table in (StateChange, Job, InferenceRecord, Delivery, Rollup)]
    assert counts == [1, 1, 1, 1, 1]


def test_records_are_kept_for_ever_until_somebody_says_otherwise() -> None:
    InferenceRecord.objects.create(uuid=uuid.uuid4(), model_key="qwen", started=ago(5000))
    assert "records" not in pruning.prune()
    assert InferenceRecord.objects.exists()


def test_records_go_by_whole_days_so_that_sums_can_be_derived_anew() -> None:
    pruning.save_retention(record_days=10)
    with time_machine.travel("2026-03-20T15:00:00+00:00", tick=False):
        for moment in ("2026-03-09T23:59:59+00:00", "2026-03-10T00:00:00+00:00", "2026-03-10T20:00:00+00:00"):
            started = datetime.fromisoformat(moment)
            InferenceRecord.objects.create(uuid=uuid.uuid4(), model_key="qwen", started=started)
        assert pruning.prune()["records"] == 1


def test_open_and_tidying_jobs_and_those_of_tests_stay() -> None:
    pruning.save_retention(job_days=1)
    test = make_test(job=make_ended(5))
    stay = [make_job(status="running"), make_job(status="queued"), make_ended(5, tidying=True), test.job]
    make_ended(5, status="failed")
    pruning.prune()
    assert set(Job.objects.all()) == set(stay)


def test_a_parent_goes_after_its_parts_and_stays_while_one_stays() -> None:
    pruning.save_retention(job_days=1)
    gone, kept = make_ended(5), make_ended(5)
    make_ended(5, parent=gone)
    child = make_ended(5, parent=kept)
    make_test(job=child)
    pruning.prune()
    assert set(Job.objects.all()) == {kept, child}


def test_scheduled_scans_go_but_the_latest_of_each_server() -> None:
    pruning.save_retention(job_days=1)
    server, registry = make_server(), Registry.objects.default()
    scans = [Scan.objects.create(server=server, registry=registry, job=make_ended(5)) for _ in range(3)]
    Scan.objects.update(created=ago(5))
    pruning.prune()
    assert list(Scan.objects.all()) == [scans[-1]]
    assert list(Job.objects.all()) == [scans[-1].job]


def test_messages_that_wait_stay() -> None:
    hook = Webhook.objects.create(name="ops", url="http://x/")
    Delivery.objects.create(webhook=hook, uuid=uuid.uuid4(), event="test", body={}, created=ago(500))
    pruning.prune()
    assert Delivery.objects.exists()


def test_prompts_go_the_hour_they_expire() -> None:
    token, _ = ApiToken.issue("chat", Role.OPERATOR)
    for hours in (-1, 1):
        until = timezone.now() + timedelta(hours=hours)
        KeptExchange.objects.create(record_uuid=uuid.uuid4(), token=token, request="hi", expires=until)
    assert pruning.prune()["exchanges"] == 1


def test_much_goes_in_many_small_transactions_and_the_next_round_goes_on() -> None:
    pruning.save_retention(state_change_days=1)
    for _ in range(25):
        make_change(5)
    with mock.patch.object(pruning, "BATCH", 10), mock.patch.object(pruning, "PAUSE", 0):
        assert pruning.prune()["state changes"] == 25
    make_change(5)
    with mock.patch.object(pruning, "SECONDS", -1):
        assert pruning.prune()["state changes"] == 0
    assert pruning.prune()["state changes"] == 1


def test_a_change_of_retention_is_noted_with_before_and_after() -> None:
    pruning.save_retention(record_days=30)
    pruning.save_retention(record_days=30, job_days=None)
    noted = AuditEvent.objects.filter(kind="retention").order_by("pk")
    assert [each.changes for each in noted] == [{"record_days": [None, 30]}, {"job_days": [180, None]}]
    with pytest.raises(ValueError, match="one day at least"):
        pruning.save_retention(job_days=0)


def test_the_schedule_prunes() -> None:
    assert settings.CELERY_BEAT_SCHEDULE["prune"]["task"] == prune.name
