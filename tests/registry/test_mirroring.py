"""The mirror of the default registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from lmstrix_site import doctor, environment
from registry import mirroring, tasks
from registry.models import Registry
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    settings.MIRROR_FILE = tmp_path / "lmstrix" / "models.json"
    make_model(key="qwen")
    return tmp_path / "lmstrix" / "models.json"


def test_the_mirror_is_the_default_registry_as_a_native_file(file: Path) -> None:
    tasks.mirror()
    assert list(json.loads(file.read_bytes())["models"]) == ["qwen"]
    assert [each.name for each in file.parent.iterdir()] == ["models.json"]


def test_it_is_written_again_only_when_something_changed_or_it_is_gone(file: Path) -> None:
    assert mirroring.mirror()
    assert not mirroring.mirror()
    Registry.objects.default().touch()
    assert mirroring.mirror()
    file.unlink()
    assert mirroring.mirror()


def test_an_empty_setting_switches_it_off(settings: Settings) -> None:
    settings.MIRROR_FILE = None
    assert not mirroring.mirror()
    assert [each.text for each in doctor.mirror()] == ["off"]


def test_a_path_that_cannot_be_written_is_a_warning_of_doctor(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    settings.MIRROR_FILE = tmp_path / "taken" / "models.json"
    assert not mirroring.mirror()
    [finding] = doctor.mirror()
    assert finding.level == "warn"
    assert "LMSTRIX_MIRROR_FILE" in finding.remedy
    assert str(settings.MIRROR_FILE) in finding.text


def test_a_mirror_that_can_be_written_is_told_with_its_place(file: Path) -> None:
    [finding] = doctor.mirror()
    assert (finding.level, finding.text) == ("ok", f"{file} follows the default registry")


def test_the_setting_is_an_absolute_path_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.delenv("LMSTRIX_MIRROR_FILE", raising=False)
    assert environment.file("LMSTRIX_MIRROR_FILE", "~/.lmstrix/models.json") == Path("/somewhere/.lmstrix/models.json")
    monkeypatch.setenv("LMSTRIX_MIRROR_FILE", "")
    assert environment.file("LMSTRIX_MIRROR_FILE", "~/x") is None
    monkeypatch.setenv("LMSTRIX_MIRROR_FILE", "models.json")
    with pytest.raises(environment.BadSetting, match="LMSTRIX_MIRROR_FILE"):
        environment.file("LMSTRIX_MIRROR_FILE", "~/x")
