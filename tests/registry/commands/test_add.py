"""`lmstrix add`: what is wrong with a model, or left out of it, is said with its place."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry.models import LanguageModel

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def added(tmp_path: Path, told: Any) -> str:
    """What the command says on the standard error."""
    file = tmp_path / "models.json"
    file.write_text(json.dumps(told))
    warned = io.StringIO()
    call_command("add", str(file), stdout=io.StringIO(), stderr=warned)
    return warned.getvalue()


def test_fields_that_nobody_knows_are_named(tmp_path: Path) -> None:
    warned = added(tmp_path, {"id": 'my "own".x', "colour": 1, "metadata": {"shade": 2}})
    assert warned.splitlines() == [
        "Warning: colour is not a field of a registry and was left out",
        "Warning: metadata.shade is not a field of a registry and was left out",
    ]
    assert "models[1].colour is not a field" in added(tmp_path, [{"id": "a"}, {"id": "b", "colour": 1}])


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"id": "b", "size_mb": "big"}, r'models\[1\]\.size_mb: must be a number, got "big"'),
        ({"id": "b", "tags": ["a,b"]}, r'models\[1\]\.tags: holds "a,b", which is no tag'),
        ({"name": "x"}, r"models\[1\]: A model needs an id"),
        ({"id": "a"}, r"models\[1\]: There is a model a in registry default already"),
    ],
)
def test_the_faulty_one_of_several_is_named_and_nothing_is_added(tmp_path: Path, wrong: Any, text: str) -> None:
    with pytest.raises(CommandError, match=text):
        added(tmp_path, [{"id": "a"}, wrong])
    assert not LanguageModel.objects.exists()
