"""Two sides come to the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry import applying, auditing, comparing, contents, registries, snapshots, syncing
from registry.diffing import diff
from registry.holding import Busy
from registry.models import LanguageModel, Registry, Server, Snapshot, SyncPoint
from registry.syncing import Report
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def shelf() -> Server:
    return make_server(name="shelf", base_url="http://shelf:1234")


@pytest.fixture
def prod() -> Registry:
    return Registry.objects.create(name="prod")


@pytest.fixture
def dev() -> Registry:
    return Registry.objects.create(name="dev")


def sync(first: Registry, second: Registry, **how: Any) -> Report:
    return syncing.sync(comparing.side_of(first), comparing.side_of(second), **how)


def keys(registry: Registry) -> set[str]:
    return set(LanguageModel.objects.filter(registry=registry).values_list("key", flat=True))


def equal(first: Registry, second: Registry) -> bool:
    return not diff(*(contents.content_of(each, tests=True) for each in (first, second)), sparse=True)


def change(registry: Registry, **fields: Any) -> None:
    """Changes every model of a registry, as an edit does."""
    LanguageModel.objects.filter(registry=registry).update(**fields)
    registry.touch()


def test_the_first_sync_gives_both_sides_everything(shelf: Server, prod: Registry, dev: Registry) -> None:
    make_model(registry=prod, server=shelf, key="a")
    make_model(registry=dev, server=shelf, key="b")
    report = sync(prod, dev)
    assert keys(prod) == keys(dev) == {"a", "b"}
    assert equal(prod, dev)
    assert report.as_dict()["models_updated"] == report.as_dict()["models_added"] == 2


def test_a_dry_run_writes_nothing(shelf: Server, prod: Registry, dev: Registry) -> None:
    make_model(registry=prod, server=shelf, key="a")
    report = sync(prod, dev, dry_run=True)
    assert (report.summary, report.written) == ("1 model written", False)
    assert (keys(dev), SyncPoint.objects.count(), Snapshot.objects.count()) == (set(), 0, 0)


def test_a_second_sync_takes_over_what_was_changed_and_deleted(shelf: Server, prod: Registry, dev: Registry) -> None:
    for key in ("a", "b"):
        make_model(registry=prod, server=shelf, key=key)
    sync(prod, dev)
    LanguageModel.objects.get(registry=dev, key="b").delete()
    change(prod, notes="new")
    LanguageModel.objects.filter(registry=prod, key="b").update(notes="")
    report = sync(dev, prod)  # in whichever order they are named
    assert (keys(prod), keys(dev)) == ({"a"}, {"a"})
    assert LanguageModel.objects.get(registry=dev).notes == "new"
    assert report.as_dict() | {"models_updated": 1, "models_deleted": 1} == report.as_dict()


def test_what_both_sides_changed_is_a_conflict_that_is_told(shelf: Server, prod: Registry, dev: Registry) -> None:
    make_model(registry=prod, server=shelf, key="a")
    sync(prod, dev)
    change(prod, notes="mine")
    change(dev, notes="yours")
    report = sync(prod, dev, strategy="update")
    assert [str(each) for each in report.conflicts] == ["model a: notes (changed on both sides)"]
    assert LanguageModel.objects.get(registry=prod).notes == "yours"
    assert equal(prod, dev)


def test_a_side_that_loses_something_is_kept_as_a_snapshot(shelf: Server, prod: Registry, dev: Registry) -> None:
    make_model(registry=prod, server=shelf, key="a", notes="old")
    sync(prod, dev)
    change(dev, notes="new")
    report = sync(prod, dev)
    [undo] = report.undo
    assert (undo.registry, undo.origin) == (prod, "safety")
    snapshots.restore(undo)
    assert LanguageModel.objects.get(registry=prod).notes == "old"


def test_a_sync_of_equal_sides_writes_nothing(shelf: Server, prod: Registry, dev: Registry) -> None:
    make_model(registry=prod, server=shelf, key="a")
    sync(prod, dev)
    versions = Registry.objects.order_by("pk").values_list("version", flat=True)
    before = list(versions)
    assert sync(prod, dev).summary == "prod and dev are the same"
    assert list(versions) == before


def test_a_sync_is_noted_on_both_sides(shelf: Server, prod: Registry, dev: Registry) -> None:
    make_model(registry=prod, server=shelf, key="a")
    make_model(registry=dev, server=shelf, key="b")
    sync(prod, dev)
    assert [auditing.of(each)[0].action for each in (prod, dev)] == ["sync", "sync"]
    assert "dev" in auditing.of(prod)[0].summary


def test_a_file_and_a_registry_are_synced(shelf: Server, prod: Registry, tmp_path: Path) -> None:
    make_model(registry=prod, server=shelf, key="a")
    file = tmp_path / "models.json"
    other = registries.bound_to(file)
    make_model(registry=other, server=shelf, key="b")
    other.touch()
    registries.save_bound(other)
    side = comparing.side(str(file), registry=prod, files=True)
    syncing.sync(comparing.side_of(prod), side)
    assert set(json.loads(file.read_text())["models"]) == keys(prod) == {"a", "b"}
    assert syncing.sync(comparing.side(str(file), registry=prod, files=True), comparing.side_of(prod)).since


def test_a_snapshot_is_no_side_of_a_sync(prod: Registry, dev: Registry) -> None:
    snapshot = snapshots.create(prod, "kept")
    with pytest.raises(ValueError, match="kept is a snapshot and never changes"):
        syncing.sync(comparing.side_kept(snapshot), comparing.side_of(dev))


def test_a_registry_is_not_synced_with_itself(prod: Registry) -> None:
    with pytest.raises(ValueError, match="prod is on both sides"):
        sync(prod, prod)


def test_a_side_that_changes_meanwhile_is_planned_anew(shelf: Server, prod: Registry, dev: Registry) -> None:
    make_model(registry=prod, server=shelf, key="a")
    sides = comparing.side_of(prod), comparing.side_of(dev)
    make_model(registry=dev, server=shelf, key="late")
    dev.touch()
    syncing.sync(*sides)
    assert keys(prod) == keys(dev) == {"a", "late"}


def test_a_side_that_never_stops_changing_ends_busy(
    shelf: Server, prod: Registry, dev: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_model(registry=prod, server=shelf, key="a")

    def changed(*_: Any, **__: Any) -> None:
        raise applying.Changed("it has changed")

    monkeypatch.setattr(applying, "apply", changed)
    with pytest.raises(Busy, match="keeps changing"):
        sync(prod, dev)


def test_a_sync_that_ended_between_its_two_sides_is_finished_by_the_next(
    shelf: Server, prod: Registry, dev: Registry
) -> None:
    make_model(registry=prod, server=shelf, key="a")
    make_model(registry=dev, server=shelf, key="b")
    checks = iter([None, RuntimeError("killed")])

    def check() -> None:
        if error := next(checks):
            raise error

    with pytest.raises(RuntimeError):
        sync(prod, dev, check=check)
    assert (keys(prod), keys(dev)) == ({"a", "b"}, {"b"})
    sync(prod, dev)
    assert equal(prod, dev)


def test_a_damaged_sync_point_is_none(shelf: Server, prod: Registry, dev: Registry) -> None:
    make_model(registry=prod, server=shelf, key="a")
    sync(prod, dev)
    SyncPoint.objects.update(document=b"x")
    LanguageModel.objects.filter(registry=dev).delete()
    sync(prod, dev)
    assert keys(dev) == {"a"}
