"""`lmstrix group`."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from registry.models import Group, LanguageModel
from tests.builders import make_model

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def group(*arguments: str) -> str:
    output = io.StringIO()
    call_command("group", *arguments, stdout=output)
    return output.getvalue()


def models(name: str) -> list[str]:
    told: list[str] = json.loads(group("show", name, "--json"))["models"]
    return told


@pytest.fixture(autouse=True)
def shelf() -> None:
    for key in "abc":
        make_model(key=key)


def test_a_group_is_made_filled_and_emptied_in_order() -> None:
    assert group("create", "chat models", "b", "a") == "chat models: made; 2 models\n"
    assert group("add", "chat models", "c", "a") == "chat models: 1 added; 3 models\n"
    assert group("remove", "CHAT models", "a") == "chat models: 1 taken out; 2 models\n"
    assert models("chat models") == ["b", "c"]


def test_a_group_is_shown_with_what_is_known_of_its_models() -> None:
    make_model(key="t", tested_context=8192, test_status="tested")
    group("create", "g", "t", "--description", "for letters")
    text = group("show", "g")
    assert "for letters" in text
    assert "8,192" in text


def test_groups_are_listed() -> None:
    assert "lmstrix group create" in group("list")
    group("create", "g", "a", "b")
    assert json.loads(group("list", "--json")) == [{"name": "g", "description": "", "models": 2}]
    assert group("list").splitlines()[1].split() == ["g", "2"]


def test_a_group_is_renamed_and_deleted_and_its_models_stay() -> None:
    group("create", "g", "a")
    assert group("edit", "g", "--name", "h") == "h: saved; 1 model\n"
    assert group("delete", "h") == "h: deleted; its models stay\n"
    assert (Group.objects.count(), LanguageModel.objects.count()) == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["create", "g"], "a group named g already"), (["create", "x", "nobody"], "no model named nobody"),
        (["show", "x"], "no group named x; there is g"), (["add", "x", "a"], "no group named x"),
        (["create", "a/models"], "nor with /models"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_wrong_usage_with_a_sentence(arguments: list[str], text: str) -> None:
    group("create", "g")
    with pytest.raises(CommandError, match=text) as stopped:
        group(*arguments)
    assert (stopped.value.returncode, Group.objects.count()) == (2, 1)
