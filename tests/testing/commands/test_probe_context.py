"""`lmstrix test`: the same search from a terminal."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from registry import connecting, grouping, jobs, scanning
from registry.models import Job, LanguageModel, Registry
from testing import searching
from tests.builders import make_model
from tests.scripted_lmstudio import LOAD, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    models = [model("qwen", max_context_length=8192), model("gemma", max_context_length=4096)]
    says = lambda text: " ".join(re.findall(r"code of \w+ is (\d+)", text)) or "yes"  # noqa: E731
    with ScriptedLMStudio(models, says=says) as server:
        added = connecting.add_server(name="studio", base_url=server.url)
        jobs.run(scanning.enqueue(added, door="test").pk)
        yield server


def run(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("probe_context", *arguments, stdout=out, **options)
    return out.getvalue()


def test_one_model_is_tested_and_its_verdict_printed(studio: ScriptedLMStudio) -> None:
    printed = run("qwen")
    assert re.search(r"qwen\s+studio\s+8,192\s+8,192\s+verified\s+3 of 3", printed)


def test_all_tests_every_untested_model(studio: ScriptedLMStudio) -> None:
    run("--all")
    assert set(LanguageModel.objects.values_list("tested_context", flat=True)) == {8192, 4096}
    assert "Every model has been tested" in run("--all")


def test_json_has_the_probes(studio: ScriptedLMStudio) -> None:
    (test,) = json.loads(run("gemma", "--json"))
    assert test["verdict"] == "verified"
    assert [probe["requested"] for probe in test["probes"]] == [2048, 4096, 4096]


def test_a_bad_verdict_is_still_a_verdict(studio: ScriptedLMStudio) -> None:
    studio.behaviour.limit = 100
    assert "out of memory" in run("qwen")


def test_a_dry_run_says_the_sizes_and_loads_nothing(studio: ScriptedLMStudio) -> None:
    printed = run("qwen", "--dry-run")
    assert "would try 2,048, then 8,192 tokens on studio" in printed
    assert not studio.calls(LOAD)
    assert not Job.objects.filter(kind="context_test").exists()


def test_one_size_is_tried_alone(studio: ScriptedLMStudio) -> None:
    run("qwen", "--ctx", "4096")
    assert LanguageModel.objects.get(key="qwen").tested_context == 4096


def test_reset_forgets_the_earlier_result_first(studio: ScriptedLMStudio) -> None:
    run("qwen")
    studio.behaviour.limit = 3000
    run("qwen", "--reset")
    assert (LanguageModel.objects.get(key="qwen").tested_context or 0) <= 3000


def test_the_job_belongs_to_the_command(studio: ScriptedLMStudio) -> None:
    run("qwen")
    job = Job.objects.get(kind="context_test")
    assert (job.runner, job.door, job.status) == ("command", "command", "succeeded")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Name models, or use --all"),
        (["nothing-like-it"], "There is no model named nothing-like-it"),
        (["qwen", "--threshold", "5"], "The threshold is 5; use 256"),
        (["qwen", "--registry", "other"], "There is no registry named other"),
    ],
)
def test_wrong_usage_is_exit_code_two(studio: ScriptedLMStudio, arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=re.escape(told)) as failure:
        run(*arguments)
    assert failure.value.returncode == 2


def test_an_ambiguous_name_is_refused_with_the_candidates(studio: ScriptedLMStudio) -> None:
    make_model(key="qwen")
    with pytest.raises(CommandError, match="qwen may mean studio/qwen, server-") as failure:
        run("qwen")
    assert failure.value.returncode == 2


def test_a_server_that_is_gone_is_exit_code_three(studio: ScriptedLMStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "FIRST_SECONDS", 0.2)
    studio.stop()
    with pytest.raises(CommandError) as failure:
        run("qwen")
    assert failure.value.returncode == 3


def test_the_models_of_a_group_are_planned_in_its_order() -> None:
    models = [make_model(key=key) for key in "ba"]
    grouping.create_group(models[0].registry, "chat models", models)
    plans = json.loads(run("--group", "Chat models", "--dry-run", "--json"))
    assert [plan["model"] for plan in plans] == ["b", "a"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--group", "x"], "no group named x"), (["--group", "empty"], "has no models"), (["m", "--group", "x"], "--all")],
)
def test_a_group_that_cannot_be_tested_is_wrong_usage(arguments: list[str], text: str) -> None:
    grouping.create_group(Registry.objects.default(), "empty")
    with pytest.raises(CommandError, match=text) as stopped:
        run(*arguments)
    assert stopped.value.returncode == 2
