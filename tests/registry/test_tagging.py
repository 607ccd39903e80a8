"""Tags on models: automatic ones that follow from facts, custom ones that belong to people."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry import tagging
from registry.models import AuditEvent, LanguageModel, Registry, Tag
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def automatic(model: LanguageModel) -> list[str]:
    return [tag.name for tag in model.tags.automatic()]


def custom(model: LanguageModel) -> list[str]:
    return [tag.name for tag in model.tags.custom()]


def version() -> int:
    return Registry.objects.default().version


def llama(**fields: Any) -> LanguageModel:
    told: dict[str, Any] = {"key": "llama-3b", "architecture": "llama", "parameter_count": 3 * 10**9}
    return make_model(**told | fields)


def test_automatic_tags_follow_the_facts_and_say_why() -> None:
    model = llama()
    tagging.derive_tags([model])
    assert automatic(model) == ["chat", "llama", "small"]
    assert model.tags.get(name="small").reason.startswith("It has 3,000,000,000 parameters")


def test_when_facts_change_tags_change() -> None:
    model = llama()
    tagging.derive_tags([model])
    model.parameter_count, model.tokens_per_second = 70 * 10**9, 60.0
    tagging.derive_tags([model])
    assert automatic(model) == ["chat", "fast", "llama", "xl"]


def test_a_reason_with_another_number_is_written_on_the_same_tag() -> None:
    model = llama(tokens_per_second=20.0)
    tagging.derive_tags([model])
    before = model.tags.get(name="balanced")
    model.tokens_per_second = 21.0
    tagging.derive_tags([model])
    assert (model.tags.get(name="balanced").pk, "21.0" in model.tags.get(name="balanced").reason) == (before.pk, True)


def test_custom_tags_are_never_touched_even_with_the_name_of_an_automatic_one() -> None:
    model = llama(tags=("small", "mine"))
    for count in (3 * 10**9, 70 * 10**9):
        model.parameter_count = count
        tagging.derive_tags([model])
    assert custom(model) == ["mine", "small"]


def test_what_does_not_differ_is_not_written() -> None:
    model = llama()
    tagging.derive_tags([model])
    with CaptureQueriesContext(connection) as queries:
        tagging.derive_tags([model])
    assert not [query for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


@pytest.mark.parametrize("count", [3, 100])
def test_deriving_takes_the_same_queries_for_a_whole_batch(count: int, django_assert_num_queries: Any) -> None:
    server = make_model().server
    models = [make_model(server=server, architecture="llama") for _ in range(count)]
    with django_assert_num_queries(4):  # savepoint, what there is, what is new, release
        tagging.derive_tags(models)
    assert Tag.objects.count() == 2 * count


def test_tags_are_added_once_noted_and_counted_as_a_change() -> None:
    models, before = [make_model(), make_model()], version()
    assert tagging.add_tags(models, ["production", "qa"]) == 4
    assert tagging.add_tags(models, ["qa"]) == 0
    assert custom(models[0]) == ["production", "qa"]
    assert version() == before + 1
    assert AuditEvent.objects.filter(action="tag", object_id=models[1].pk).get().summary == "added production, qa"


def test_a_tag_marks_its_model_as_updated() -> None:
    model = make_model()
    tagging.add_tags([model], ["qa"])
    before, model = model.updated, LanguageModel.objects.get()
    assert model.updated > before


def test_the_first_spelling_of_a_tag_in_the_registry_wins() -> None:
    first, second = make_model(tags=("Production",)), make_model()
    tagging.add_tags([first, second], ["PRODUCTION", "production"])
    assert (custom(first), custom(second)) == (["Production"], ["Production"])


def test_names_are_tidied_and_kept_as_typed() -> None:
    model = make_model()
    tagging.add_tags([model], ["  für   Kunden/Ä\u0308 "])
    assert custom(model) == ["für Kunden/Ä\u0308"]


@pytest.mark.parametrize("name", ["", "  ", "a,b", "a\x00b", "a\u202eb", "x" * 101])
def test_a_name_that_cannot_be_a_tag_is_refused_and_nothing_written(name: str) -> None:
    model = make_model()
    with pytest.raises(ValueError, match=r"tag .*\.|\.$"):
        tagging.add_tags([model], ["good", name])
    assert not Tag.objects.exists()


def test_tags_are_removed_whatever_their_capitals() -> None:
    model, before = make_model(tags=("QA", "kept")), version()
    assert tagging.remove_tags([model], ["qa", "never there"]) == 1
    assert custom(model) == ["kept"]
    assert version() == before + 1


def test_a_tag_that_a_rule_gave_cannot_be_taken_off() -> None:
    model = llama()
    tagging.derive_tags([model])
    with pytest.raises(ValueError, match=r"The tag small of llama-3b follows from a fact .* fewer than 4B"):
        tagging.remove_tags([model], ["Small"])


def test_a_tag_is_renamed_across_the_registry_and_joins_one_that_is_there() -> None:
    both, one = make_model(tags=("qa", "prod")), make_model(tags=("qa",))
    elsewhere = make_model(registry=Registry.objects.create(name="lab"), tags=("qa",))
    assert tagging.rename_tag(both.registry, "QA", "prod") == 2
    assert (custom(both), custom(one), custom(elsewhere)) == (["prod"], ["prod"], ["qa"])


def test_a_tag_can_be_spelled_anew() -> None:
    model = make_model(tags=("prod",))
    tagging.rename_tag(model.registry, "prod", "Prod")
    assert custom(model) == ["Prod"]


def test_a_tag_is_deleted_across_the_registry() -> None:
    models = [make_model(tags=("qa", "kept")) for _ in range(2)]
    assert tagging.delete_tag(models[0].registry, "qa") == 2
    assert custom(models[0]) == custom(models[1]) == ["kept"]
    assert AuditEvent.objects.filter(action="untag").count() == 2


@pytest.mark.parametrize("change", [tagging.delete_tag, lambda registry, name: tagging.rename_tag(registry, name, "x")])
def test_a_tag_that_no_model_has_is_refused(change: Any) -> None:
    model = llama()
    tagging.derive_tags([model])
    for name in ("nobody", "small"):
        with pytest.raises(ValueError, match=f"No model has a tag {name} of its own"):
            change(model.registry, name)


def test_tags_are_counted_with_custom_ones_first() -> None:
    for _ in range(2):
        tagging.derive_tags([llama(server=None, tags=("zeta",))])
    counted = [tuple(tag) for tag in tagging.tags_of(Registry.objects.default())]
    assert counted == [
        ("zeta", "custom", 2), ("llama", "architecture", 2), ("small", "size", 2), ("chat", "type", 2),
    ]  # fmt: skip


def test_a_change_of_many_models_takes_few_queries_and_is_noted_once(django_assert_num_queries: Any) -> None:
    server = make_model().server
    models = [make_model(server=server) for _ in range(120)]
    with CaptureQueriesContext(connection) as queries:
        tagging.add_tags(models, ["bulk"])
    assert len(queries) <= 12
    note = AuditEvent.objects.get()
    assert (note.kind, note.name, note.summary) == ("model", "120 models", "added bulk")


def test_a_tag_renamed_onto_another_spelling_leaves_one_in_the_registry() -> None:
    models = [make_model(tags=tags) for tags in (("qa",), ("prod",), ("PROD", "qa", "prod"))]
    assert tagging.rename_tag(models[0].registry, "qa", "Prod") == 2
    assert [custom(model) for model in models] == [["Prod"]] * 3


def test_a_tag_with_several_spellings_gets_the_first_on_all_models() -> None:
    models = [make_model(tags=tags) for tags in (("prod", "PROD", "Prod"), ("prod",), ("Ärger", "ärger"))]
    tagging.spell_once(models[0].registry)
    assert [custom(model) for model in models] == [["PROD"], ["PROD"], ["Ärger"]]
