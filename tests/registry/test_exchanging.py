"""Files out of a registry and into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from registry import exchanging, grouping, upkeep
from registry.applying import Changed
from registry.documents.content import Unreadable
from registry.filters import BadFilter
from registry.models import AuditEvent, LanguageModel, Registry, Snapshot
from tests.builders import make_model, make_test

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def registry() -> Registry:
    return Registry.objects.default()


def other() -> Registry:
    return Registry.objects.create(name="other")


def document(registry: Registry, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(exchanging.export(registry, **options))
    return found


@pytest.mark.parametrize("full", [False, True])
def test_an_export_into_an_empty_registry_gives_the_same_bytes_again(registry: Registry, full: bool) -> None:
    make_test(model=make_model(key="ü/ä", tags=("mine",), notes="<b>"))
    registry.touch()
    first = exchanging.export(registry, full=full)
    exchanging.bring_in(other(), first)
    again = json.loads(exchanging.export(Registry.objects.get(name="other"), full=full))
    assert again | {"registry": "default"} == json.loads(first)


@pytest.mark.parametrize("fmt", exchanging.FORMATS)
def test_every_format_is_read_back(registry: Registry, fmt: str) -> None:
    make_model(key="qwen", size_bytes=5_000_000)
    exchanging.bring_in(other(), exchanging.export(registry, fmt=fmt), name=f"x.{exchanging.FORMATS[fmt]}")
    assert LanguageModel.objects.get(registry__name="other").size_bytes == 5_000_000


def test_an_unknown_format_is_refused_with_those_that_there_are(registry: Registry) -> None:
    with pytest.raises(ValueError, match="native, lmstrix, csv, yaml"):
        exchanging.export(registry, fmt="toml")


def test_a_filter_chooses_what_is_exported(registry: Registry) -> None:
    make_model(key="small", size_bytes=10**9)
    make_model(key="large", size_bytes=9 * 10**9)
    assert list(document(registry, expression="size:>5GB")["models"]) == ["large"]
    with pytest.raises(BadFilter):
        exchanging.export(registry, expression="colour:red")


def test_tests_are_in_a_full_export_only(registry: Registry) -> None:
    make_test(model=make_model(key="qwen"))
    assert "tests" not in document(registry)["models"]["qwen"]
    assert len(document(registry, full=True)["models"]["qwen"]["tests"]) == 1


def incoming(registry: Registry, **fields: object) -> bytes:
    """An export in which the model has other fields."""
    found = document(registry)
    found["models"]["qwen"] |= fields | {"updated": "2030-01-01T00:00:00Z"}
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("strategy", "name"), [("update", "new"), ("skip", "old"), ("replace", "new"), ("prefer_newer", "new")]
)
def test_the_strategy_decides_who_wins(registry: Registry, strategy: str, name: str) -> None:
    make_model(key="qwen", name="old")
    exchanging.bring_in(registry, incoming(registry, display_name="new", name="new"), strategy=strategy)
    assert LanguageModel.objects.get().name == name


def test_exact_makes_the_registry_what_the_file_is(registry: Registry) -> None:
    make_model(key="qwen")
    data = exchanging.export(registry)
    make_model(key="other")
    report = exchanging.bring_in(registry, data, strategy="exact")
    assert [model.key for model in LanguageModel.objects.all()] == ["qwen"]
    assert report.undo is not None


def test_exact_for_another_version_changes_nothing(registry: Registry) -> None:
    make_model(key="qwen")
    data, version = exchanging.export(registry), registry.version
    registry.touch()
    with pytest.raises(Changed):
        exchanging.bring_in(registry, data, strategy="exact", expected_version=version)


def test_a_dry_run_reports_field_by_field_and_changes_nothing(registry: Registry) -> None:
    make_model(key="qwen", name="old")
    report = exchanging.bring_in(registry, incoming(registry, display_name="new", name="new"), dry_run=True)
    [change] = report.as_dict()["changes"]
    assert change["id"] == "qwen"
    assert change["fields"]["name"] == ["old", "new"]
    assert (LanguageModel.objects.get().name, Snapshot.objects.count(), report.applied) == ("old", 0, None)


def test_what_changes_something_is_kept_first_and_what_only_adds_is_not(registry: Registry) -> None:
    make_model(key="qwen", name="old")
    data = exchanging.export(registry)
    assert exchanging.bring_in(other(), data).undo is None
    assert exchanging.bring_in(registry, incoming(registry, display_name="new", name="new")).undo is not None


def test_an_import_is_noted_with_what_it_did(registry: Registry) -> None:
    make_model(key="qwen")
    exchanging.bring_in(other(), exchanging.export(registry), name="models.json")
    assert AuditEvent.objects.get(action="import").summary == "models.json: 1 model added, 1 server added"


@pytest.mark.parametrize("strategy", ["update", "skip", "replace", "prefer_newer"])
@pytest.mark.parametrize("fmt", ["csv", "lmstrix"])
def test_a_file_of_ours_comes_back_quiet(registry: Registry, fmt: str, strategy: str) -> None:
    models = [make_model(key=key) for key in ("qwen", "llama", "b", "b")]  # the last two on two servers
    failed = make_model(key="failed", test_status="failed", test_verdict="out_of_memory", size_bytes=None, tags=("x",))
    grouping.create_group(registry, "chat", [*models, failed])
    data = exchanging.export(registry, fmt=fmt)
    report = exchanging.bring_in(registry, data, strategy=strategy, dry_run=True)
    assert (report.diff.changes, report.undecided) == ([], [])


def test_an_entry_of_the_command_line_tool_is_kept_when_it_is_not_what_we_would_write(registry: Registry) -> None:
    make_model(key="qwen")
    document = json.loads(exchanging.export(registry, fmt="lmstrix"))
    document["llms"]["qwen"]["odd"] = [1]
    exchanging.bring_in(registry, json.dumps(document).encode())
    assert json.loads(exchanging.export(registry, fmt="lmstrix")) == document


def test_a_part_of_a_sheet_moves_no_member_of_a_group(registry: Registry) -> None:
    made = {key: make_model(key=key) for key in ("c", "a", "b")}
    grouping.create_group(registry, "chat", made.values())
    make_model(key="new", server=made["a"].server)
    exchanging.bring_in(registry, b"key,groups\nnew,chat\nb,chat\na,chat\n")
    members = registry.groups.get().members.order_by("position").values_list("model__key", flat=True)
    assert list(members) == ["c", "a", "b", "new"]


def test_a_sheet_cannot_stand_in_for_a_whole_registry(registry: Registry) -> None:
    make_model(key="qwen")
    with pytest.raises(Unreadable, match="import it instead"):
        exchanging.restore_from(registry, exchanging.export(registry, fmt="csv"), name="x.csv")


def test_a_restore_from_a_file_can_be_undone(registry: Registry) -> None:
    model = make_model(key="qwen")
    data = exchanging.export(registry, full=True)
    make_model(key="new", server=model.server)
    report = exchanging.restore_from(registry, data, name="x.json")
    assert report.summary == "1 model removed"
    assert report.undo is not None
    assert report.undo.model_count == 2


def test_a_server_without_a_model_is_not_told_as_removed(registry: Registry) -> None:
    make_model(key="qwen")
    report = exchanging.bring_in(registry, b'{"version": "1.0", "models": {}}', strategy="exact")
    assert report.summary == "1 model removed, 1 server left without a model here"


@pytest.mark.parametrize("strategy", ["update", "exact"])
def test_an_import_never_breaks_the_rules_of_names(registry: Registry, strategy: str) -> None:
    make_model(key="qwen")
    found = document(registry)
    found["models"]["qwen"]["metadata"]["custom_tags"] = ["Prod", "prod", "PROD"]
    exchanging.bring_in(registry, json.dumps(found).encode(), strategy=strategy)
    assert [tag.name for tag in LanguageModel.objects.get().tags.custom()] == ["PROD"]
    assert upkeep.validate(registry) == []


def test_a_file_may_name_a_model_by_the_id_that_is_shown(registry: Registry) -> None:
    model = make_model(key="k")
    file = {"version": "1.0", "models": {f"{model.server}/k": {"display_name": "New"}}}
    exchanging.bring_in(registry, json.dumps(file).encode())
    assert [(each.pk, each.key, each.name) for each in LanguageModel.objects.all()] == [(model.pk, "k", "New")]
