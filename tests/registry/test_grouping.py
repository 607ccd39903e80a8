"""Groups of models: made, filled, ordered, renamed and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from registry import auditing, grouping
from registry.models import AuditEvent, Group, LanguageModel, Registry
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def models() -> list[LanguageModel]:
    return [make_model(key=key) for key in "abc"]


@pytest.fixture
def group(models: list[LanguageModel]) -> Group:
    return grouping.create_group(Registry.objects.default(), "chat_models", models)


def keys(group: Group) -> str:
    return "".join(model.key for model in grouping.models_of(group))


def test_a_group_holds_models_of_several_servers_in_the_given_order(models: list[LanguageModel]) -> None:
    group = grouping.create_group(models[0].registry, "x", [models[2], models[0], models[2]], "what for")
    assert (keys(group), group.description) == ("ca", "what for")


def test_making_one_is_noted_and_counts_as_a_change(models: list[LanguageModel]) -> None:
    before = Registry.objects.default().version
    group = grouping.create_group(models[0].registry, "x", models)
    assert [(note.action, note.summary) for note in auditing.of(group)] == [("add", "with 3 models")]
    assert Registry.objects.default().version == before + 1


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb\x00", "/a", "a/", "a/models"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of"):
        grouping.create_group(Registry.objects.default(), name)


@pytest.mark.parametrize("name", ["lab/chat", "für Kunden", "模型", "x" * 100])
def test_slashes_other_scripts_and_long_names_are_fine(name: str) -> None:
    group = grouping.create_group(Registry.objects.default(), name)
    assert grouping.group_named(group.registry, name) == group


def test_a_taken_name_is_refused_whatever_its_capitals(group: Group) -> None:
    with pytest.raises(ValueError, match="There is a group named chat_models already"):
        grouping.create_group(group.registry, "Chat_Models")


def test_a_model_of_another_registry_is_refused_and_nothing_made() -> None:
    stranger = make_model(key="s", registry=Registry.objects.create(name="lab"))
    with pytest.raises(ValueError, match="s is in another registry than group x"):
        grouping.create_group(Registry.objects.default(), "x", [stranger])
    assert not Group.objects.exists()


def test_models_are_added_at_the_end_once(group: Group) -> None:
    new = make_model(key="d")
    assert grouping.add_to_group(group, [new, *grouping.models_of(group)]) == 1
    assert grouping.add_to_group(group, [new]) == 0
    assert keys(group) == "abcd"


def test_models_are_taken_out(group: Group, models: list[LanguageModel]) -> None:
    assert grouping.remove_from_group(group, [models[1], make_model()]) == 1
    assert keys(group) == "ac"


def test_a_new_order_leaves_the_unnamed_behind(group: Group, models: list[LanguageModel]) -> None:
    grouping.reorder(group, [models[2].pk])
    assert keys(group) == "cab"


def test_an_order_with_a_stranger_is_refused(group: Group) -> None:
    with pytest.raises(ValueError, match="look at it again"):
        grouping.reorder(group, [make_model().pk])


@pytest.mark.parametrize(("place", "places", "after"), [(1, -1, "bac"), (1, 1, "acb"), (0, -1, "abc"), (2, 5, "abc")])
def test_a_model_moves_and_stops_at_the_ends(
    group: Group, models: list[LanguageModel], place: int, places: int, after: str
) -> None:
    grouping.move(group, models[place], places)
    assert keys(group) == after


def test_a_group_is_renamed_and_described_with_before_and_after(group: Group) -> None:
    grouping.edit_group(group, name="talk", description="for chats")
    note = AuditEvent.objects.filter(action="edit").get()
    assert note.changes == {"name": ["chat_models", "talk"], "description": ["", "for chats"]}


def test_saving_the_same_changes_nothing(group: Group) -> None:
    before = Registry.objects.default().version
    grouping.edit_group(group, name="chat_models", description="")
    assert Registry.objects.default().version == before


def test_deleting_a_group_keeps_its_models(group: Group) -> None:
    grouping.delete_group(group)
    assert (Group.objects.count(), LanguageModel.objects.count()) == (0, 3)
    assert AuditEvent.objects.get(action="delete").summary == "with 3 models, which stay"


def test_an_unknown_group_is_told_with_those_there_are(group: Group) -> None:
    assert grouping.group_named(group.registry, "CHAT_models") == group
    with pytest.raises(ValueError, match="There is no group named talk; there is chat_models"):
        grouping.group_named(group.registry, "talk")


@pytest.mark.parametrize("count", [2, 40])
def test_adding_takes_the_same_queries_for_many(count: int, group: Group, django_assert_max_num_queries: Any) -> None:
    server = make_model().server
    new = [make_model(server=server) for _ in range(count)]
    with django_assert_max_num_queries(10):
        grouping.add_to_group(group, new)
