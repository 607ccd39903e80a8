"""`lmstrix tag`."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from registry import tagging
from registry.models import AuditEvent
from tests.builders import make_model

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def tag(*arguments: str) -> str:
    output = io.StringIO()
    call_command("tag", *arguments, stdout=output)
    return output.getvalue()


def test_tags_are_added_and_removed() -> None:
    model = make_model(key="lab/llama")
    assert tag("add", "lab/llama", "production", "qa") == "lab/llama: 2 added\n"
    assert tag("add", "lab/llama", "qa") == "lab/llama: nothing to change\n"
    assert json.loads(tag("remove", "lab/llama", "QA", "--json")) == {"models": 1, "added": 0, "removed": 1}
    assert [each.name for each in model.tags.all()] == ["production"]
    assert AuditEvent.objects.first().door == "command"  # type: ignore[union-attr]


def test_tags_are_applied_to_all_that_match() -> None:
    for key in ("llama-a", "llama-b", "qwen"):
        make_model(key=key, tags=("old",))
    assert tag("apply", "--filter", "name:llama*", "--add", "new", "--remove", "old") == (
        "2 models: 2 added, 2 removed\n"
    )


def test_all_models_are_tagged_only_when_that_is_said() -> None:
    make_model(), make_model()
    with pytest.raises(CommandError, match="Say which models: --filter EXPR, or --all") as stopped:
        tag("apply", "--add", "new")
    assert stopped.value.returncode == 2
    assert tag("apply", "--all", "--add", "new") == "2 models: 2 added\n"


def test_the_tags_of_the_registry_are_counted_and_those_of_a_model_explained() -> None:
    model = make_model(key="llama-3b", architecture="llama", tags=("qa",))
    tagging.derive_tags([model])
    assert [line.split() for line in tag("list").splitlines()[1:]] == [
        ["qa", "custom", "1"], ["llama", "architecture", "1"], ["chat", "type", "1"],
    ]  # fmt: skip
    assert "Its architecture is llama, as told." in tag("list", "llama-3b")
    assert json.loads(tag("--json", "list"))[0] == {"name": "qa", "family": "custom", "models": 1}


def test_without_tags_the_next_step_is_said() -> None:
    assert "lmstrix tag add MODEL TAG" in tag("list")


def test_a_tag_is_renamed_and_deleted_everywhere() -> None:
    make_model(tags=("qa",)), make_model(tags=("qa",))
    assert tag("rename", "qa", "quality") == "qa is now quality: 2 models\n"
    assert tag("delete", "quality") == "quality is taken off: 2 models\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["add", "m", "a,b"], "no comma"), (["add", "other", "a"], "no model named other"),
        (["delete", "a"], "No model has a tag a of its own"), (["apply", "--filter", "x"], "--add TAG"),
        (["apply", "--filter", "nokey:1", "--add", "a"], "nokey"), (["list", "--registry", "lab"], "no registry"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_wrong_usage_with_a_sentence(arguments: list[str], text: str) -> None:
    make_model(key="m")
    with pytest.raises(CommandError, match=text) as stopped:
        tag(*arguments)
    assert stopped.value.returncode == 2
