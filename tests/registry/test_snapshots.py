"""Snapshots: taken, checked, restored, merged, kept for a time."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from registry import keeping, snapshots
from registry.acting import Actor, acting
from registry.documents.content import Unreadable
from registry.models import AuditEvent, LanguageModel, Registry, Server, Snapshot
from registry.models.snapshot import Origin
from tests.builders import make_model, make_server, make_test, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def registry() -> Registry:
    return Registry.objects.default()


def changed(registry: Registry, **fields: object) -> None:
    """Changes all models of the registry, as a verb would."""
    LanguageModel.objects.filter(registry=registry).update(**fields)
    registry.touch()


def files() -> list[str]:
    folder = keeping.folder()
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def test_a_snapshot_is_a_gzipped_document_of_the_whole_registry(registry: Registry) -> None:
    model = make_model(key="qwen/3", tags=("mine",))
    make_test(model=model)
    taken = snapshots.create(registry, "first")
    document = json.loads(gzip.decompress(snapshots.path(taken).read_bytes()))
    assert document["models"]["qwen/3"]["key"] == "qwen/3"
    assert (taken.model_count, taken.size_bytes) == (1, snapshots.path(taken).stat().st_size)


def test_two_snapshots_of_the_same_state_are_the_same_bytes(registry: Registry) -> None:
    make_model()
    one, other = (snapshots.path(snapshots.create(registry, name)).read_bytes() for name in ("a", "b"))
    assert one == other


def test_without_a_name_the_date_is_the_name_and_a_number_tells_them_apart(registry: Registry) -> None:
    with mock.patch.object(keeping, "dated", return_value="2026-11-24 02:00"):
        names = [snapshots.create(registry).name for _ in range(3)]
    assert names == ["2026-11-24 02:00", "2026-11-24 02:00 (2)", "2026-11-24 02:00 (3)"]


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b", "diff", "x" * 201, "a\nb", " "])
def test_a_name_that_cannot_be_one_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        snapshots.create(registry, name)
    assert files() == []


def test_a_name_is_given_once_in_a_registry(registry: Registry) -> None:
    snapshots.create(registry, "first")
    snapshots.create(Registry.objects.create(name="other"), "first")
    with pytest.raises(ValueError, match="already"):
        snapshots.create(registry, "first")


def test_a_restore_brings_back_what_was_and_keeps_what_is(registry: Registry) -> None:
    model = make_model(key="qwen", notes="before")
    first = snapshots.create(registry, "first")
    changed(registry, notes="after")
    make_model(key="new", server=model.server)
    registry.touch()
    report = snapshots.restore(first)
    assert list(LanguageModel.objects.values_list("key", "notes")) == [("qwen", "before")]
    assert report.summary == "1 model changed, 1 model removed"
    assert report.undo is not None
    assert (report.undo.origin, report.undo.note) == (Origin.SAFETY, "before: restore first")


def test_a_restore_can_be_undone(registry: Registry) -> None:
    make_model(notes="before")
    first = snapshots.create(registry, "first")
    changed(registry, notes="after")
    now = keeping.contents_now(registry)[0].models
    undo = snapshots.restore(first).undo
    assert undo is not None
    snapshots.restore(undo)
    assert keeping.contents_now(registry)[0].models == now


def test_a_snapshot_of_what_was_restored_is_the_same_document(registry: Registry) -> None:
    make_test(model=make_model(key="ü/ä", tags=("mine",)))
    registry.touch()
    first = snapshots.create(registry, "first")
    changed(registry, description="other", favourite=True)
    snapshots.restore(first)
    assert snapshots.create(registry, "again").sha256 == first.sha256


def test_a_preview_says_what_a_restore_does_and_does_nothing(registry: Registry) -> None:
    make_model(notes="before")
    first = snapshots.create(registry, "first")
    changed(registry, notes="after")
    report = snapshots.restore(first, dry_run=True)
    assert (report.summary, report.applied) == ("1 model changed", None)
    assert LanguageModel.objects.get().notes == "after"
    assert Snapshot.objects.count() == 1


def test_a_restore_says_which_servers_come_back_without_a_token(registry: Registry) -> None:
    server = make_server(name="desk", token="secret")
    make_model(server=server)
    first = snapshots.create(registry, "first")
    server.delete()
    registry.touch()
    report = snapshots.restore(first)
    assert report.warnings == ["Server desk comes without a token; enter it again if it needs one."]
    assert Server.objects.get(name="desk").token == ""


def test_a_merge_leaves_what_the_snapshot_lacks(registry: Registry) -> None:
    model = make_model(key="old", notes="before")
    first = snapshots.create(registry, "first")
    make_model(key="new", server=model.server)
    changed(registry, notes="after")
    report = snapshots.merge(first, "update")
    assert dict(LanguageModel.objects.values_list("key", "notes")) == {"old": "before", "new": "after"}
    assert report.models_written == 1


def damage(how: str, file: Path) -> None:
    packed = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "truncated":
        file.write_bytes(packed[:-9])
    elif how == "one bit":
        file.write_bytes(packed[:40] + bytes([packed[40] ^ 1]) + packed[41:])
    else:
        file.write_bytes(gzip.compress(b"{}" + b" " * 100, mtime=0)[: len(packed)].ljust(len(packed), b"\0"))


@pytest.mark.parametrize("how", ["gone", "truncated", "one bit", "foreign"])
def test_a_damaged_snapshot_is_refused_before_anything_is_written(registry: Registry, how: str) -> None:
    make_model(notes="before")
    first = snapshots.create(registry, "first")
    changed(registry, notes="after")
    damage(how, snapshots.path(first))
    for use in (snapshots.restore, snapshots.content, lambda each: snapshots.merge(each, "update")):
        with pytest.raises(ValueError, match="Snapshot first cannot be used"):
            use(first)
    assert LanguageModel.objects.get().notes == "after"
    assert Snapshot.objects.count() == 1


def test_a_document_of_a_newer_version_is_refused(registry: Registry) -> None:
    make_model()
    document = json.loads(snapshots.document(snapshots.create(registry, "first"))) | {"version": "9.0"}
    with pytest.raises(Unreadable, match="version"):
        snapshots.store_upload(registry, "later.json", json.dumps(document).encode())
    assert Snapshot.objects.count() == len(files()) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.json", "", "\x00.json", "C:\\x.json"])
def test_the_name_of_an_uploaded_file_leads_nowhere(registry: Registry, name: str) -> None:
    make_model()
    data = snapshots.document(snapshots.create(registry, "first"))
    kept = snapshots.store_upload(registry, name, data)
    assert snapshots.path(kept).parent == keeping.folder()
    assert "/" not in kept.name
    assert snapshots.document(kept) == data


def test_a_file_name_in_the_table_that_is_not_ours_is_not_followed(registry: Registry, tmp_path: Path) -> None:
    first = snapshots.create(registry, "first")
    first.file = "../../../etc/passwd"
    assert snapshots.path(first) == tmp_path / "snapshots" / "passwd"


def test_a_full_disk_leaves_no_row_and_no_half_file(registry: Registry) -> None:
    full = OSError(28, "No space left on device")
    with mock.patch("os.fsync", side_effect=full), pytest.raises(ValueError, match="No space left on device"):
        snapshots.create(registry, "first")
    assert (Snapshot.objects.count(), files()) == (0, [])


def test_a_full_disk_stops_a_restore_before_it_begins(registry: Registry) -> None:
    make_model(notes="before")
    first = snapshots.create(registry, "first")
    changed(registry, notes="after")
    full = OSError(28, "No space left on device")
    with mock.patch("os.fsync", side_effect=full), pytest.raises(ValueError, match="nothing was changed"):
        snapshots.restore(first)
    assert LanguageModel.objects.get().notes == "after"


def test_a_restore_that_fails_leaves_no_safety_snapshot(registry: Registry) -> None:
    make_model(notes="before")
    first = snapshots.create(registry, "first")
    changed(registry, notes="after")
    broken = mock.patch("registry.applying.apply", side_effect=RuntimeError("broken"))
    with broken, pytest.raises(RuntimeError):
        snapshots.restore(first)
    assert (Snapshot.objects.count(), len(files())) == (1, 1)


def test_a_deleted_snapshot_takes_its_file_along(registry: Registry) -> None:
    snapshots.delete(snapshots.create(registry, "first"))
    assert files() == []
    assert AuditEvent.objects.filter(action="delete", name="first").exists()


def aged(registry: Registry, origin: str, days: int) -> None:
    taken = snapshots.create(registry, f"{origin} {days}", origin=origin)
    Snapshot.objects.filter(pk=taken.pk).update(created=timezone.now() - timedelta(days=days))


def test_daily_ones_are_kept_by_number_safety_ones_by_age_and_others_for_good(
    registry: Registry, settings: Settings
) -> None:
    settings.SNAPSHOT_KEEP, settings.SAFETY_SNAPSHOT_DAYS = 2, 30
    for origin in Origin:
        for days in (0, 29, 31):
            aged(registry, origin, days)
    assert snapshots.prune(registry) == 3
    gone = {"daily 31", "safety 31", "upload 31"}
    assert set(Snapshot.objects.values_list("name", flat=True)).isdisjoint(gone)
    assert len(files()) == Snapshot.objects.count() == 9


def test_a_daily_snapshot_is_due_when_something_changed_since_the_last(registry: Registry) -> None:
    assert snapshots.due() == []  # nothing was ever in it
    registry.touch()
    assert snapshots.due() == [registry]
    snapshots.create(registry, origin=Origin.DAILY)
    registry.touch()
    assert snapshots.due() == []  # today's is there
    Snapshot.objects.update(created=timezone.now() - timedelta(days=2))
    assert snapshots.due() == [registry]
    Registry.objects.update(updated=timezone.now() - timedelta(days=3))
    assert snapshots.due() == []


def test_who_took_it_is_noted(registry: Registry) -> None:
    person = make_user(username="ada")
    with acting(Actor("page", person)):
        taken = snapshots.create(registry, "first")
    assert taken.made_by == person
    assert AuditEvent.objects.get(action="snapshot").who == "ada"
