"""`lmstrix ps`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from registry.models import Instance
from tests.builders import make_server
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen")]) as server:
        make_server(name="shelf", base_url=server.url)
        yield server


def ps(*arguments: str) -> str:
    output = io.StringIO()
    call_command("ps", *arguments, stdout=output)
    return output.getvalue()


def test_what_is_loaded_is_shown_as_the_server_says_it_now(studio: ScriptedLMStudio) -> None:
    assert ps() == "Nothing is loaded.\n"
    studio.put("qwen", 4096)
    assert ps().splitlines()[1].split() == ["qwen", "qwen", "shelf", "4,096"]
    assert not Instance.objects.exists()


def test_json_lists_the_copies(studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 4096)
    assert json.loads(ps("--json")) == [
        {"server": "shelf", "model": "qwen", "instance": "qwen", "context_length": 4096}
    ]


def test_a_dead_server_is_exit_3_and_the_others_are_shown(studio: ScriptedLMStudio) -> None:
    make_server(name="dead")
    make_server(name="lost", token_sealed="damaged")
    studio.put("qwen", 4096)
    output = io.StringIO()
    with pytest.raises(CommandError) as stopped:
        call_command("ps", stdout=output)
    assert (stopped.value.returncode, "4,096" in output.getvalue()) == (3, True)
    assert "cannot be reached" in str(stopped.value)
    assert "lost: the stored token cannot be read any more; enter it again" in str(stopped.value)


def test_no_server_is_exit_2() -> None:
    with pytest.raises(CommandError, match="There is no server yet") as stopped:
        ps()
    assert stopped.value.returncode == 2
