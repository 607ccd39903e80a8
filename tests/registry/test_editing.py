"""What people change of models by hand."""

from __future__ import annotations

from typing import Any

import pytest

from registry import auditing, editing, merging_scan
from registry.documents.content import Unreadable
from registry.lmstudio.wire import Listing, ReportedModel
from registry.models import LanguageModel, Registry, Scan, Snapshot
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]
GUIDE: dict[str, Any] = {
    "id": "custom-llama-7b", "name": "Custom Llama 7B", "size_mb": 7168, "parameters": "7B", "type": "chat",
    "architecture": "llama", "context_window": 4096, "source": "manual_addition", "tags": ["custom", "llama", "7b"],
}  # fmt: skip


def default() -> Registry:
    return Registry.objects.default()


def test_a_model_is_added_from_the_fields_of_the_guide() -> None:
    model = editing.add_custom(default(), GUIDE)
    model.refresh_from_db()
    assert (model.key, model.server, model.size_bytes, model.declared_context) == (
        GUIDE["id"],
        None,
        7168 * 2**20,
        4096,
    )
    assert (model.parameter_count, model.source) == (7_000_000_000, "manual_addition")
    assert {"custom", "llama", "7b"} <= {tag.name for tag in model.tags.all()}
    assert [event.action for event in auditing.of(model)] == ["add"]


def test_a_name_is_enough() -> None:
    model = editing.add_custom(default(), {"id": "x"})
    assert (model.name, model.source, model.size_bytes) == ("x", "manual_addition", None)


def test_an_id_that_is_taken_is_refused() -> None:
    make_model(key="x", server=make_server(name="desk"))
    with pytest.raises(ValueError, match="There is a model x in registry default already"):
        editing.add_custom(default(), {"id": "x"})


def test_every_fault_is_named_with_its_place() -> None:
    with pytest.raises(Unreadable) as refusal:
        editing.add_custom(default(), GUIDE | {"size_mb": "big", "type": "poem"})
    assert [fault.place for fault in refusal.value.faults] == [
        'models["custom-llama-7b"].type',
        'models["custom-llama-7b"].size_mb',
    ]
    assert not LanguageModel.objects.exists()


@pytest.mark.parametrize("fields", [{}, {"id": ""}, {"id": 5}, {"name": "x"}])
def test_a_model_needs_an_id(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="id"):
        editing.add_custom(default(), fields)


def test_an_edit_is_listed_noted_and_counted() -> None:
    model = make_model(architecture="llama")
    version, updated = default().version, model.updated
    editing.edit(model, architecture="qwen3", parameters="4B", notes="good")
    model.refresh_from_db()
    assert (model.parameter_count, model.edited) == (4_000_000_000, ["architecture", "parameters"])
    assert auditing.of(model)[0].changes["architecture"] == ["llama", "qwen3"]
    assert (default().version, model.updated > updated) == (version + 1, True)
    assert model.tags.filter(name="qwen").exists()


def test_an_edit_of_nothing_changes_nothing() -> None:
    model = make_model(notes="a")
    editing.edit(model, notes="a", name=model.name)
    assert (default().version, auditing.of(model).count()) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"key": "x"}, "key cannot be edited"),
        ({"type": "poem"}, "must be one of"),
        ({"name": ""}, "needs a name"),
        ({"size_bytes": 5}, "only models added by hand"),
    ],
)
def test_what_cannot_be_set_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        editing.edit(make_model(), **changes)


def test_the_size_of_a_custom_model_can_be_set() -> None:
    model = editing.add_custom(default(), {"id": "x"})
    assert editing.edit(model, size_bytes=5, name="X").edited == []
    assert LanguageModel.objects.values_list("size_bytes", "name").get() == (5, "X")


def scanned(model: LanguageModel) -> LanguageModel:
    assert model.server is not None
    scan = Scan.objects.create(server=model.server, registry=model.registry)
    reported = ReportedModel(key=model.key, type="llm", display_name="As told", params_string="9B", size_bytes=10)
    merging_scan.merge(scan, Listing(models=(reported,), rejected=(), ping_seconds=0.1, api="v1", version=None))
    return LanguageModel.objects.get(pk=model.pk)


def test_a_scan_leaves_alone_what_a_person_has_set_until_it_is_given_back() -> None:
    model = make_model()
    editing.edit(model, parameters="4B")
    model = scanned(model)
    assert (model.name, model.parameters, model.parameter_count) == ("As told", "4B", 4_000_000_000)
    editing.give_back(model, ["parameters"])
    assert scanned(model).parameter_count == 9_000_000_000


def test_what_no_person_has_set_cannot_be_given_back() -> None:
    with pytest.raises(ValueError, match="name was not set by a person"):
        editing.give_back(make_model(), ["name"])


def test_favourites_are_marked_once() -> None:
    models = [make_model(), make_model()]
    assert (editing.set_favourite(models, True), editing.set_favourite(models, True)) == (2, 0)
    assert editing.set_pinned(models[:1], True) == 1
    assert LanguageModel.objects.filter(favourite=True).count() == 2


def test_a_missing_model_is_forgotten_and_a_snapshot_brings_it_back() -> None:
    model = make_model(missing=True)
    (undo,) = editing.forget([model])
    assert (LanguageModel.objects.count(), Snapshot.objects.get()) == (0, undo)
    assert undo.model_count == 1


def test_a_model_that_is_there_or_under_test_is_not_forgotten() -> None:
    with pytest.raises(ValueError, match="still offered"):
        editing.forget([make_model()])
    with pytest.raises(ValueError, match="being tested"):
        editing.forget([make_model(missing=True, test_status="testing")])
    assert (LanguageModel.objects.count(), Snapshot.objects.count()) == (2, 0)


def test_what_would_be_lost_is_told() -> None:
    gone, there = make_model(missing=True, last_tested="2026-01-01T00:00:00Z"), make_model()
    losses = editing.losses([gone, there])
    assert (losses.models, losses.refused, losses.tested) == ([gone], [there], 1)


@pytest.mark.parametrize("meanwhile", [{"missing": False}, {"test_status": "testing"}])
def test_a_model_that_came_back_or_is_tested_meanwhile_is_not_forgotten(meanwhile: dict[str, Any]) -> None:
    model = make_model(missing=True)
    LanguageModel.objects.update(**meanwhile)
    with pytest.raises(ValueError, match=r"still offered|being tested"):
        editing.forget([model])
    assert (LanguageModel.objects.count(), Snapshot.objects.count()) == (1, 0)


def test_tags_of_a_model_added_by_hand_are_spelled_as_in_the_registry() -> None:
    make_model(tags=("Prod",))
    model = editing.add_custom(default(), {"id": "mine", "tags": ["prod", "PROD", "x"]})
    assert [tag.name for tag in model.tags.custom()] == ["Prod", "x"]
