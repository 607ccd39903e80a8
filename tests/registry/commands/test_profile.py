"""`lmstrix profile`."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from registry.models import Profile
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def profile(*arguments: str) -> str:
    output = io.StringIO()
    call_command("profile", *arguments, stdout=output)
    return output.getvalue()


def test_a_profile_is_made_with_sizes_as_people_write_them() -> None:
    make_server(name="mac")
    profile(
        "create", "quick", "--prefer", "llama", "phi", "--max-context", "16k", "--min-context", "32k", "--needs",
        "tools,vision", "--min-speed", "12.5", "--max-memory", "12GB", "--tag", "prod", "--server", "mac",
        "--temperature", "0.3", "--description", "short answers",
    )  # fmt: skip
    made = Profile.objects.get()
    assert (made.preferred_models, made.needs, made.tags, made.servers) == (
        ["llama", "phi"], ["tools", "vision"], ["prod"], ["mac"],
    )  # fmt: skip
    assert (made.max_context, made.min_tested_context, made.max_memory_bytes) == (16_384, 32_768, 12 * 10**9)
    assert (made.min_tokens_per_second, made.temperature, made.description) == (12.5, 0.3, "short answers")


def test_making_it_again_changes_what_is_given() -> None:
    profile("create", "quick", "--max-context", "1k", "--temperature", "1")
    told = json.loads(profile("create", "quick", "--temperature", "0.5", "--json"))
    assert (told["max_context"], told["temperature"]) == (1024, 0.5)


def test_profiles_are_listed_and_shown() -> None:
    assert "lmstrix profile create" in profile("list")
    profile("create", "quick", "--min-context", "32k", "--max-memory", "12GB")
    assert "32,768 tokens verified, at most 12 GB" in profile("list")
    assert "12 GB" in profile("show", "quick")
    assert json.loads(profile("list", "--json"))[0]["max_memory_bytes"] == 12 * 10**9


def test_the_answer_comes_first_and_the_reasons_below() -> None:
    server = make_server(name="mac", reachable=True)
    make_model(key="llama", server=server, tested_context=32_768, test_status="tested")
    make_model(key="phi", server=server, tested_context=8192, test_status="tested")
    profile("create", "quick", "--prefer", "llama", "gone", "--min-context", "32k", "--max-context", "64k")
    lines = profile("resolve", "quick").splitlines()
    assert lines[0] == "quick uses llama on mac. It is the first preferred model."
    assert lines[1] == "Warning: A request may take 65,536 tokens, but only 32,768 are verified for llama."
    assert lines[2] == "gone is preferred, but no model has this id."
    assert lines[4].strip().split(maxsplit=2) == ["phi", "mac", "tested 8,192 of 32,768 asked for"]


def test_no_model_is_exit_1_with_the_reasons_counted(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(25):
        make_model(missing=True)
    profile("create", "quick")
    with pytest.raises(SystemExit) as stopped:
        call_command("profile", "resolve", "quick")
    text = capsys.readouterr().out
    assert stopped.value.code == 1
    assert text.startswith("quick has no model to use now.")
    assert "25 in all: no longer offered 25" in text


def test_a_profile_is_made_once_and_then_changed() -> None:
    assert profile("create", "quick").startswith("quick: made\n")
    assert profile("create", "Quick", "--temperature", "1").startswith("quick: changed\n")


def test_a_preferred_model_that_is_unknown_is_warned_of() -> None:
    warned = io.StringIO()
    call_command("profile", "create", "quick", "--prefer", "gone", stdout=io.StringIO(), stderr=warned)
    assert warned.getvalue() == "Warning: gone is preferred, but no model has this id.\n"


def test_a_profile_is_deleted() -> None:
    profile("create", "quick")
    assert profile("delete", "Quick") == "quick: deleted\n"
    assert not Profile.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--max-memory", "lots"], "is not a size"), (["--needs", "wings"], "wings is none of"),
        (["--server", "nowhere"], "no server named nowhere"), (["--temperature", "7"], "from 0 to 2"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_wrong_usage(arguments: list[str], text: str) -> None:
    with pytest.raises(CommandError, match=text) as stopped:
        profile("create", "quick", *arguments)
    assert (stopped.value.returncode, Profile.objects.count()) == (2, 0)


def test_an_unknown_profile_is_wrong_usage() -> None:
    with pytest.raises(CommandError, match="There is no profile named x; there is none yet"):
        profile("resolve", "x")
