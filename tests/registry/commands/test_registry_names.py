"""`lmstrix registry list|create|rename|delete`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from registry import registries
from registry.models import AuditEvent, Registry
from tests.builders import make_model

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "data"


def said(*arguments: str) -> str:
    output = io.StringIO()
    call_command("registry", *arguments, stdout=output)
    return output.getvalue()


def test_a_registry_is_made_renamed_and_deleted() -> None:
    assert said("create", "lab") == "lab: made, and empty; commands take it by --registry.\n"
    assert said("rename", "lab", "team") == "lab is now team.\n"
    make_model(registry=Registry.objects.get(name="team"))
    assert said("delete", "team", "--dry-run") == "team: would be deleted with 1 model and 0 snapshots.\n"
    assert said("delete", "team") == "team: deleted with 1 model and 0 snapshots.\n"
    assert [each.name for each in Registry.objects.all()] == ["default"]
    assert AuditEvent.objects.get(action="delete").summary == "with 1 model"


def test_the_registries_are_listed() -> None:
    said("create", "lab")
    make_model()
    assert [line.split() for line in said("list").splitlines()[1:]] == [
        ["default", "1", "0", "–"],
        ["lab", "0", "0", "–"],
    ]
    assert json.loads(said("list", "--json"))[1] == {"name": "lab", "models": 0, "snapshots": 0, "file": None}


def test_a_registry_whose_file_is_bad_by_now_can_be_deleted(tmp_path: Path) -> None:
    file = tmp_path / "prod.json"
    file.write_text('{"version": "1.0", "models": {}}')
    registries.bound_to(file)
    file.write_text("{")
    said("delete", str(file))
    assert (Registry.objects.count(), file.exists()) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "default"),
        ("create", "a/b"),
        ("rename", "default", "x"),
        ("rename", "no", "x"),
        ("delete", "default"),
    ],
)
def test_what_cannot_be_done_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as stopped:
        said(*arguments)
    assert stopped.value.returncode == 2
