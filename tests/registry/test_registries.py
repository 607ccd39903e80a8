"""Registries are renamed and deleted without harm to others, and opened from files that are good."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from registry import comparing, registries, syncing
from registry.documents.content import Unreadable
from registry.models import LanguageModel, Registry, Snapshot
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def synced() -> tuple[Registry, Registry]:
    """Two registries that hold the same model since a sync."""
    here, there = (registries.create_registry(name) for name in ("here", "there"))
    make_model(registry=here, key="qwen")
    here.touch()
    sync(here, there)
    return here, there


def sync(here: Registry, there: Registry) -> None:
    syncing.sync(comparing.side_of(here), comparing.side_of(there))


def test_a_new_registry_of_the_name_of_a_deleted_one_deletes_nothing_by_sync(
    synced: tuple[Registry, Registry],
) -> None:
    here, there = synced
    registries.delete_registry(here)
    sync(registries.create_registry("here"), there)
    assert LanguageModel.objects.filter(key="qwen").count() == 2


def test_a_new_registry_of_the_old_name_of_another_deletes_nothing_by_sync(synced: tuple[Registry, Registry]) -> None:
    here, there = synced
    registries.rename_registry(here, "moved")
    sync(registries.create_registry("here"), there)
    assert there.models.count() == 1


def test_capitals_of_the_own_name_can_be_changed() -> None:
    registry = registries.create_registry("prod")
    registries.rename_registry(registry, "Prod")
    assert Registry.objects.get(pk=registry.pk).name == "Prod"


def test_a_registry_with_a_model_under_test_is_not_deleted() -> None:
    registry = registries.create_registry("prod")
    make_model(registry=registry, key="qwen", test_status="testing")
    with pytest.raises(ValueError, match=r"qwen in prod is being tested; nothing was deleted"):
        registries.delete_registry(registry)
    assert registry.models.exists()


def test_a_bad_file_leaves_no_registry_behind(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text("{")
    with pytest.raises(Unreadable):
        registries.bound_to(file)
    assert not Registry.objects.exclude(path="").exists()


def test_what_is_no_file_is_refused_with_its_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("", "pipe.json"):
        with pytest.raises(ValueError, match=r"is not a file"):
            registries.bound_to(tmp_path / name)


@pytest.mark.parametrize("path", ["a\0b.json", "~nobody-at-all/x.json", "x" * 5000 + ".json", "\udcff.json"])
def test_a_path_that_cannot_be_is_refused_in_a_sentence(path: str) -> None:
    with pytest.raises(ValueError, match=r"is not the path of a file|cannot be read"):
        registries.bound_to(path)
    assert not Registry.objects.exclude(path="").exists()


def test_groups_alone_are_kept_too_before_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "prod.json"
    registry = registries.bound_to(file)
    registry.groups.create(name="chat")
    file.write_text('{"version": "1.0", "models": {}}')
    registries.bound_to(file)
    assert (registry.groups.count(), Snapshot.objects.get().note) == (0, "before its file was read again")
