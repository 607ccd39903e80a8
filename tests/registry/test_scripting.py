"""The registry in the hands of a script: mistakes are told before anything changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from registry.models import LanguageModel, Registry
from registry.scripting import load_model_registry
from registry.scripting.registry import ModelRegistry
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def test_one_text_is_one_name_and_not_its_letters() -> None:
    make_model(key="qwen")
    registry = load_model_registry()
    registry.add_tags("qwen", "prod")
    registry.create_group("chat", "qwen")
    assert list(LanguageModel.objects.get().tags.custom().values_list("name", flat=True)) == ["prod"]
    assert registry.get_group("chat") == ["qwen"]


def test_a_restore_changes_nothing_where_the_file_was_changed_by_others(tmp_path: Path) -> None:
    file = tmp_path / "prod.json"
    registry = load_model_registry(file)
    registry.create_backup("empty")
    registry.add_model({"id": "qwen", "size_mb": 5})
    file.write_text("{}")
    with pytest.raises(ValueError, match="nothing was written"):
        registry.restore_from_backup("empty")
    assert LanguageModel.objects.filter(key="qwen").exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be written: Is a directory"):
        load_model_registry().export_to_file(tmp_path)


def test_two_registries_are_compared_by_ids() -> None:
    other = ModelRegistry(Registry.objects.create(name="other"))
    make_model(key="lab/qwen", name="Qwen 3")
    assert load_model_registry().compare_with(other)["missing_in_second"] == ["lab/qwen"]


@pytest.mark.parametrize("other", ["prod.json", Path("prod.json")])
def test_what_is_no_opened_registry_is_refused_with_the_remedy(other: Any) -> None:
    registry = load_model_registry()
    for verb in (registry.compare_with, registry.sync_with):
        with pytest.raises(ValueError, match=r"is not an opened registry; open it with load_model_registry"):
            verb(other)
