"""`lmstrix registry ...` and `lmstrix add`."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from registry import grouping, tagging
from registry.models import Job, LanguageModel, Registry, Snapshot
from registry.models.job import Runner
from tests.builders import make_model, make_test

# the command works in threads of its own, so what a test writes has to be committed
pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "data"


def said(*arguments: str, command: str = "registry") -> str:
    output = io.StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


def told(*arguments: str, command: str = "registry") -> Any:
    return json.loads(said(*arguments, "--json", command=command))


def refused(*arguments: str, command: str = "registry") -> CommandError:
    with pytest.raises(CommandError) as stopped:
        said(*arguments, command=command)
    return stopped.value


def changed_since(name: str) -> None:
    """A snapshot from before the only model was given notes."""
    make_model(key="qwen", notes="before")
    said("backup", name)
    LanguageModel.objects.update(notes="after")
    Registry.objects.default().touch()


def test_a_backup_is_named_and_listed() -> None:
    make_model()
    assert "1 model," in said("backup", "first")
    [row] = told("backups")
    assert (row["name"], row["models"], row["origin"]) == ("first", 1, "by hand")
    assert Path(row["path"]).is_file()
    assert "first" in said("backups")


def test_a_restore_is_a_job_of_the_command_and_says_how_to_undo_it() -> None:
    changed_since("first")
    output = said("restore", "first")
    assert LanguageModel.objects.get().notes == "before"
    undo = Snapshot.objects.get(origin="safety")
    assert f'Undo: lmstrix registry restore "{undo}"' in output
    assert Job.objects.get(kind="restore").runner == Runner.COMMAND
    said("restore", undo.name)
    assert LanguageModel.objects.get().notes == "after"


def test_a_restore_says_first_what_it_would_do() -> None:
    changed_since("first")
    output = said("restore", "first", "--dry-run")
    assert "~ model qwen" in output
    assert "notes: after → before" in output
    assert (LanguageModel.objects.get().notes, Job.objects.count()) == ("after", 0)


def test_a_file_is_restored(tmp_path: Path) -> None:
    make_test(model=make_model(key="qwen"))
    file = tmp_path / "all.json.gz"
    said("export", "--full-metadata", str(file))
    assert json.loads(gzip.decompress(file.read_bytes()))["models"]["qwen"]["tests"]
    LanguageModel.objects.all().delete()
    Registry.objects.default().touch()
    assert "1 model added" in said("restore", str(file), "--dry-run")
    said("restore", str(file))
    assert LanguageModel.objects.get().context_tests.count() == 1


def test_a_snapshot_is_merged_by_a_strategy() -> None:
    changed_since("first")
    assert told("merge", "first", "--strategy", "skip")["summary"] == "nothing is different"
    assert told("merge", "first", "--strategy", "update")["counts"]["model"]["changed"] == 1
    assert LanguageModel.objects.get().notes == "before"


@pytest.mark.parametrize("name", ["nothing", "nothing.json"])
def test_what_there_is_not_is_wrong_usage(name: str) -> None:
    for action in ("restore", "merge"):
        assert refused(action, name).returncode == 2


@pytest.mark.parametrize("fmt", ["native", "lmstrix", "csv", "yaml"])
def test_a_file_goes_out_and_comes_in(tmp_path: Path, fmt: str) -> None:
    make_model(key="qwen")
    file = str(tmp_path / f"models.{fmt}")
    said("export", "--format", fmt, file)
    Registry.objects.create(name="other")
    assert "1 model added" in said("import", file, "--registry", "other", "--dry-run")
    assert LanguageModel.objects.count() == 1
    said("import", file, "--registry", "other")
    assert LanguageModel.objects.filter(registry__name="other", key="qwen").exists()


def test_an_export_of_some_goes_to_the_standard_output() -> None:
    make_model(key="small", size_bytes=1)
    make_model(key="large", size_bytes=9 * 10**9)
    assert list(json.loads(said("export", "--filter", "size:>5GB", "-"))["models"]) == ["large"]


def test_a_bad_file_fails_with_every_fault_and_its_place(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text('{"models": {"x": {"size_bytes": "big"}, "y": {"context_window": -1}}}')
    error = refused("import", str(file))
    assert error.returncode == 1
    assert '  models["x"].size_bytes: must be a number, got "big"' in str(error)
    assert 'models["y"].context_window' in str(error)
    assert (LanguageModel.objects.count(), Job.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "/nowhere/at/all.json"),
        ("export", "--filter", "colour:red", "-"),
        ("import", "/nowhere.json"),
        ("diff", "nothing"),
        ("sync", "nothing", "default"),
        ("stats", "--registry", "nothing"),
        ("cleanup", "--results-older-than", "-1"),
        ("backup", "a/b"),
    ],
)
def test_wrong_usage_is_exit_2_in_one_sentence(arguments: tuple[str, ...]) -> None:
    error = refused(*arguments)
    assert error.returncode == 2
    assert len(str(error).splitlines()) == 1


def test_two_sides_are_compared() -> None:
    changed_since("first")
    [change] = told("diff", "first")["changes"]
    assert change["fields"] == {"notes": ["before", "after"]}
    assert "notes: before → after" in said("diff", "first", "default")


def test_a_change_is_told_in_the_words_of_the_pages() -> None:
    model = make_test(model=make_model(key="qwen", ttft_seconds=0.3123456789012345)).model
    grouping.create_group(Registry.objects.default(), "chat", [model])
    said("backup", "first")
    LanguageModel.objects.update(ttft_seconds=None)
    tagging.add_tags([model], ["mine"])
    model.context_tests.all().delete()
    grouping.remove_from_group(Registry.objects.default().groups.get(), [model])
    output = said("diff", "first")
    for line in ("time to first token: 0.31 s → not set", "tags: none → mine", "context tests: 1 test → none",
                 "models: qwen → none"):  # fmt: skip
        assert f"      {line}\n" in output


def test_a_sync_of_two_files_is_told_by_their_names(tmp_path: Path) -> None:
    one, two = (str(tmp_path / name) for name in ("one.json", "two.json"))
    make_model(key="qwen")
    said("export", one)
    Path(two).write_text('{"version": "1.0", "models": {}}')
    plan = said("sync", one, two, "--dry-run")
    assert "one.json: nothing changes\n" in plan
    assert "two.json:\n  + model qwen" in plan
    assert "one.json and two.json: 1 model written" in said("sync", one, two)


def test_two_registries_are_synced() -> None:
    make_model(key="qwen")
    Registry.objects.create(name="other")
    assert "+ model qwen" in said("sync", "default", "other", "--dry-run")
    assert LanguageModel.objects.count() == 1
    said("sync", "default", "other")
    assert LanguageModel.objects.filter(registry__name="other").exists()


def test_the_rules_are_checked_and_mended() -> None:
    assert "is valid" in said("validate")
    make_model(key="qwen", size_bytes=0)
    assert refused("validate").returncode == 1
    assert "it becomes unknown" in said("fix", "--dry-run")
    assert LanguageModel.objects.get().size_bytes == 0
    assert "Undo: lmstrix registry restore" in said("fix")
    assert told("validate") == {"valid": True, "issues": []}


def test_orphans_are_cleaned_up() -> None:
    make_model(key="gone", missing=True)
    assert "- model gone" in said("cleanup", "--orphans", "--dry-run")
    assert told("cleanup", "--orphans")["counts"]["model"]["removed"] == 1
    assert LanguageModel.objects.count() == 0


def test_compact_says_how_much_it_saved() -> None:
    assert set(told("compact")) == {"bytes_before", "bytes_after", "bytes_saved", "files"}
    assert "saved" in said("compact")


def test_the_statistics_are_told_in_words_and_as_json() -> None:
    make_model(), make_model(type="")
    assert told("stats")["total_models"] == 2
    assert "chat 1, unknown 1" in said("stats")


def test_a_model_is_added_from_a_file_or_the_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text('{"id": "mine", "name": "Mine", "size_mb": 7168, "tags": ["custom"]}')
    assert said(str(file), command="add") == "Added mine to default.\n"
    standard_input = mock.Mock(buffer=io.BytesIO(b'[{"id": "a"}, {"id": "b"}]'))
    with mock.patch("sys.stdin", standard_input):
        assert [each["id"] for each in told("-", command="add")] == ["a", "b"]
    assert LanguageModel.objects.filter(server=None).count() == 3


@pytest.mark.parametrize("text", ["", "7", "[]", '{"name": "no id"}', '[{"id": "a"}, {"id": "a"}]'])
def test_what_is_no_model_adds_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "model.json"
    file.write_text(text)
    assert refused(str(file), command="add").returncode in (1, 2)
    assert LanguageModel.objects.count() == 0
