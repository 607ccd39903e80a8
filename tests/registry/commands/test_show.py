"""`lmstrix show MODEL`."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from registry.models import Group, Instance
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def show(*arguments: str) -> str:
    output = io.StringIO()
    call_command("show", *arguments, stdout=output)
    return output.getvalue()


def refused(name: str) -> str:
    with pytest.raises(CommandError) as stopped:
        show(name)
    assert stopped.value.returncode == 2
    return str(stopped.value)


def test_everything_about_a_model_is_shown() -> None:
    server = make_server(name="shelf")
    found = make_model(server=server, key="qwen", tested_context=65_536, tokens_per_second=41.5)
    Instance.objects.create(
        server=server, model=found, instance_id="qwen:2", context_length=4096, options={"parallel": 4}
    )
    text = show("qwen")
    for name, value in (
        ("tested context", "65,536"), ("avg tokens per second", "41.50"), ("last tested", "unknown"),
        ("missing", "no"), ("groups", "none"), ("state", "unloaded"),
        ("instances", "id=qwen:2 context_length=4096 parallel=4"),
    ):  # fmt: skip
        assert any(line.split() == f"{name} {value}".split() for line in text.splitlines()), name


def test_a_model_tells_its_groups_notes_and_why_it_has_its_tags() -> None:
    model = make_model(key="qwen", notes="fast enough", favourite=True)
    model.tags.create(name="tiny", family="size", reason="135 M parameters")
    Group.objects.create(registry=model.registry, name="daily").members.create(model=model, position=0)
    told = json.loads(show("qwen", "--json"))
    assert (told["groups"], told["notes"], told["favourite"]) == (["daily"], "fast enough", True)
    assert told["tag_details"] == [{"name": "tiny", "family": "size", "reason": "135 M parameters"}]


def test_json_holds_the_same() -> None:
    make_model(key="qwen")
    told = json.loads(show("qwen", "--json"))
    assert (told["key"], told["context_window"], told["instances"]) == ("qwen", 8192, [])


def test_a_model_is_found_by_its_long_names() -> None:
    server = make_server(name="shelf")
    for variant in ("q4", "q8"):
        make_model(server=server, key="org/qwen", variant=variant)
    assert json.loads(show("shelf/org/qwen@q8", "--json"))["variant"] == "q8"


def test_a_name_that_may_mean_several_names_them() -> None:
    for name in ("shelf", "rack"):
        make_model(server=make_server(name=name), key="qwen")
    assert refused("qwen").startswith("qwen may mean ")
    assert "shelf/qwen" in refused("qwen")


def test_an_unknown_name_is_told_what_is_near_it() -> None:
    make_model(key="org/qwen3-4b")
    assert refused("qwen3") == "There is no model named qwen3. Near it: org/qwen3-4b."
    assert refused("zzz") == "There is no model named zzz. `lmstrix list` shows all."


def test_values_from_a_server_are_printed_as_they_are() -> None:
    make_model(key="qwen", description="[bold]x[/red]\x1b[2J")
    assert "[bold]x[/red]\N{REPLACEMENT CHARACTER}[2J" in show("qwen")
