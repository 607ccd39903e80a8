"""Changes of whole registries as jobs."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import Settings

from registry import applying, changing, comparing, diffing, exchanging, jobs, registries, snapshots, supervising, tasks
from registry.acting import Actor, acting
from registry.holding import Busy
from registry.models import AuditEvent, Job, LanguageModel, Registry, Snapshot
from tests.builders import make_model, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def registry() -> Registry:
    return Registry.objects.default()


def done(job: Job) -> Job:
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def kept(registry: Registry) -> Snapshot:
    """A snapshot from before the only model was given notes."""
    make_model(key="qwen", notes="before")
    taken = snapshots.create(registry, "first")
    LanguageModel.objects.update(notes="after")
    registry.touch()
    return taken


def notes() -> str:
    return LanguageModel.objects.get(key="qwen").notes


def test_a_restore_is_a_job_that_tells_what_it_did_and_how_to_undo_it(registry: Registry) -> None:
    job = done(changing.enqueue_restore(kept(registry)))
    assert (job.status, job.message, notes()) == ("succeeded", "1 model changed", "before")
    assert Snapshot.objects.get(pk=job.result["undo"]).note == "before: restore first"


def test_a_merge_is_a_job(registry: Registry) -> None:
    job = done(changing.enqueue_merge(kept(registry), "update"))
    assert (job.status, notes()) == ("succeeded", "before")


def test_a_merge_takes_over_only_what_was_chosen(registry: Registry) -> None:
    taken = kept(registry)
    LanguageModel.objects.update(favourite=True)
    found = diffing.diff(comparing.side_of(registry).content, snapshots.content(taken))
    tokens = [each.token for change in found.changes for each in change.fields if each.field == "favourite"]
    job = done(changing.enqueue_merge(taken, "update", tokens))
    assert job.status == "succeeded", job.error
    assert LanguageModel.objects.filter(notes="after", favourite=False).exists()


def test_an_import_is_a_job_that_leaves_its_file_alone(registry: Registry) -> None:
    upload = snapshots.store_upload(registry, "x.json", snapshots.document(kept(registry)))
    job = done(changing.enqueue_import(registry, upload, "update"))
    assert (job.status, notes()) == ("succeeded", "before")
    assert Snapshot.objects.filter(pk=upload.pk).exists()


def test_changes_of_another_registry_are_taken_over(registry: Registry) -> None:
    taken = kept(registry)
    other = registries.create_registry("other")
    exchanging.bring_in(other, snapshots.document(taken))
    found = diffing.diff(comparing.side_of(registry).content, comparing.side_of(other).content)
    job = done(changing.enqueue_take_over(registry, "registry:other", [found.changes[0].token]))
    assert (job.status, LanguageModel.objects.get(registry=registry).notes) == ("succeeded", "before"), job.error


def test_two_registries_are_synced(registry: Registry) -> None:
    kept(registry)
    registries.create_registry("other")
    job = done(changing.enqueue_sync(registry, "registry:default", "registry:other", "update"))
    assert job.status == "succeeded", job.error
    assert LanguageModel.objects.filter(registry__name="other", notes="after").exists()


def test_a_cleanup_is_a_job(registry: Registry) -> None:
    make_model(missing=True)
    job = done(changing.enqueue_cleanup(registry, orphans=True))
    assert (job.status, LanguageModel.objects.count()) == ("succeeded", 0)
    assert job.result["undo"]


def test_who_asked_is_noted_with_the_change(registry: Registry) -> None:
    taken, person = kept(registry), make_user(username="ada")
    with acting(Actor("page", person)):
        job = changing.enqueue_restore(taken)
    done(job)
    event = AuditEvent.objects.get(action="restore")
    assert (event.door, event.user, event.job) == ("page", person, job)


def test_a_program_is_noted_by_its_name(registry: Registry) -> None:
    with acting(Actor("rest", None, "token ci")):
        job = changing.enqueue_restore(kept(registry))
    done(job)
    assert AuditEvent.objects.get(action="restore").who == "token ci"


def test_a_daily_snapshot_that_failed_is_not_tried_all_the_time(registry: Registry) -> None:
    registry.touch()
    tasks.daily_snapshots()
    Job.objects.update(status="failed")
    tasks.daily_snapshots()
    assert Job.objects.count() == 1
    Job.objects.update(created=timezone.now() - timedelta(hours=2))
    tasks.daily_snapshots()
    assert Job.objects.count() == 2


def test_a_damaged_snapshot_fails_with_its_reason(registry: Registry) -> None:
    taken = kept(registry)
    snapshots.path(taken).unlink()
    job = done(changing.enqueue_restore(taken))
    assert job.status == "failed"
    assert job.error == "Snapshot first cannot be used, its file is gone; nothing was changed."


def test_a_registry_that_others_write_is_told_as_busy(registry: Registry) -> None:
    taken = kept(registry)
    with mock.patch("registry.applying.apply", side_effect=Busy("Registry default is being written")):
        job = done(changing.enqueue_restore(taken))
    assert (job.status, job.error, notes()) == ("failed", "Registry default is being written", "after")


def test_what_was_deleted_meanwhile_is_told(registry: Registry) -> None:
    taken = kept(registry)
    job = changing.enqueue_restore(taken)
    snapshots.delete(taken)
    assert done(job).error == "the snapshot was deleted meanwhile; nothing was changed"


def test_a_cancel_at_the_last_moment_undoes_all_of_it(registry: Registry) -> None:
    taken = kept(registry)
    job = changing.enqueue_restore(taken)
    real = applying.apply

    def apply(*args: Any, **options: Any) -> Any:
        Job.objects.filter(pk=job.pk).update(cancel_requested=True)
        return real(*args, **options)

    with mock.patch("registry.applying.apply", apply):
        done(job)
    assert (job.status, notes(), Snapshot.objects.count()) == ("cancelled", "after", 1)


def test_a_worker_that_lost_its_lease_changes_nothing(registry: Registry) -> None:
    taken = kept(registry)
    job = changing.enqueue_restore(taken)
    real = applying.apply

    def apply(*args: Any, **options: Any) -> Any:
        Job.objects.filter(pk=job.pk).update(lease="another")
        return real(*args, **options)

    with mock.patch("registry.applying.apply", apply):
        jobs.run(job.pk)
    assert (notes(), Snapshot.objects.count()) == ("after", 1)


def test_a_job_that_had_finished_is_not_done_again(registry: Registry) -> None:
    taken = kept(registry)
    job = done(changing.enqueue_restore(taken))
    LanguageModel.objects.update(notes="later")
    Job.objects.filter(pk=job.pk).update(status="queued", lease="")  # its worker died right after the change
    assert (done(job).status, notes()) == ("succeeded", "later")


def test_a_long_change_shows_life(registry: Registry, settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS = 0.05
    taken = kept(registry)
    job = changing.enqueue_restore(taken)
    real = snapshots.document

    def slow(snapshot: Snapshot) -> bytes:
        Job.objects.filter(pk=job.pk).update(heartbeat_at=Now() - timedelta(hours=1))
        time.sleep(0.5)
        assert Job.objects.get(pk=job.pk).heartbeat_at > timezone.now() - timedelta(minutes=1)  # type: ignore[operator]
        return real(snapshot)

    with mock.patch("registry.snapshots.document", slow):
        assert done(job).status == "succeeded", job.error


def test_the_daily_snapshot_is_a_job_that_deletes_old_ones(registry: Registry, settings: Settings) -> None:
    settings.SNAPSHOT_KEEP = 1
    registry.touch()
    old = snapshots.create(registry, "old", origin="daily")
    Snapshot.objects.filter(pk=old.pk).update(created=timezone.now() - timedelta(days=2))
    tasks.daily_snapshots()
    tasks.daily_snapshots()  # one that is queued already is enough
    job = Job.objects.get(kind="snapshot")
    assert (done(job).status, job.door) == ("succeeded", "schedule")
    assert [each.origin for each in Snapshot.objects.all()] == ["daily"]
    assert not Snapshot.objects.filter(name="old").exists()


def test_a_retry_of_a_failed_import_finds_its_file(registry: Registry) -> None:
    upload = snapshots.store_upload(registry, "x.json", snapshots.document(kept(registry)))
    job = changing.enqueue_import(registry, upload, "update")
    with mock.patch("registry.applying.apply", side_effect=Busy("busy")):
        assert done(job).status == "failed"
    assert supervising.retry(job)
    assert done(job).status == "succeeded"
    assert json.loads(json.dumps(job.result))["applied"] is True


def test_a_bound_registry_whose_file_was_changed_is_not_changed(tmp_path: Path) -> None:
    bound = registries.bound_to(tmp_path / "prod.json")
    make_model(registry=bound, key="qwen")
    taken = snapshots.create(bound, "first")
    LanguageModel.objects.update(notes="after")
    Path(bound.path).write_text("{}")
    job = done(changing.enqueue_restore(taken))
    assert (job.status, notes()) == ("failed", "after")
    assert "nothing was written" in job.error
