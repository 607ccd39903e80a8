"""`lmstrix ps`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from registry.models import Instance, Server, StateChange
from registry.models.language_model import State
from tests.builders import make_model, make_server
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
    assert ps().splitlines()[1].split() == ["qwen", "qwen", "shelf", "loaded", "4,096", "others", "unknown", "none"]
    assert not Instance.objects.exists()  # no registry has the model


def test_what_lmstrix_knows_of_a_copy_stands_beside_it(studio: ScriptedLMStudio) -> None:
    shelf = Server.objects.get()
    Instance.objects.create(
        server=shelf, model=make_model(server=shelf, key="qwen"), instance_id="qwen", context_length=8192,
        asked={"context_length": 8192}, loaded_by="us",
    )  # fmt: skip
    studio.put("qwen", 4096)
    [copy] = json.loads(ps("--json"))
    assert (copy["state"], copy["loaded_by"], copy["context_length"]) == ("loaded", "us", 4096)
    assert "asked for 8,192 tokens, the server applied 4,096" in copy["drift"]
    assert 0 <= copy["idle_seconds"] < 60
    assert StateChange.objects.get().new == State.LOADED  # what it saw is in the log


def test_json_lists_the_copies(studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 4096)
    assert json.loads(ps("--json")) == [
        {
            "server": "shelf", "model": "qwen", "instance": "qwen", "state": "loaded", "context_length": 4096,
            "loaded_by": "others", "idle_seconds": None, "drift": "",
        }
    ]  # fmt: skip


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
