"""Merging what comes in into what is here, by four strategies, and taking over chosen changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.diffing import diff
from registry.documents.content import Content, Fields, ModelId, Unreadable
from registry.merging import merge, take_over
from registry.strategies import STRATEGIES, strategy_named
from tests.generated_contents import DESK, LOCAL, MOMENTS, content, contents, measured, model_id

EARLY, LATE = MOMENTS[0], MOMENTS[2]
few = settings(max_examples=40)
any_strategy = st.sampled_from(STRATEGIES)


def merged(ours: Fields, theirs: Fields, strategy: str) -> Fields:
    """The one model "a" after a merge."""
    return merge(content(("a", ours)), content(("a", theirs)), strategy).content.models[model_id("a")]


@few
@given(contents(), any_strategy)
def test_a_content_merged_with_itself_stays_as_it_is(one: Content, strategy: str) -> None:
    made = merge(one, one, strategy)
    assert (made.content, made.undecided) == (one, [])


@few
@given(contents(), contents(), any_strategy)
def test_merging_the_same_again_changes_nothing(one: Content, other: Content, strategy: str) -> None:
    once = merge(one, other, strategy).content
    assert not diff(once, merge(once, other, strategy).content, sparse=True)


@few
@given(contents(), contents(), any_strategy)
def test_a_merge_deletes_nothing(one: Content, other: Content, strategy: str) -> None:
    assert diff(one, merge(one, other, strategy).content).count("missing") == 0


@few
@given(contents(), contents())
def test_skip_changes_no_object_that_is_here(one: Content, other: Content) -> None:
    assert diff(one, merge(one, other, "skip").content, sparse=True).count("changed") == 0


def test_update_takes_each_field_that_is_told_and_adds_up_labels() -> None:
    ours = {"notes": "mine", "publisher": "org", "tags": ["x"], "favourite": True}
    assert merged(ours, {"notes": "theirs", "publisher": None, "tags": ["y"]}, "update") == {
        "notes": "theirs", "publisher": "org", "tags": ["x", "y"], "favourite": True,
    }  # fmt: skip


def test_update_takes_the_results_of_a_test_together() -> None:
    ours = measured(100, usable_context=90)
    assert merged(ours, measured(50, LATE, usable_context=None), "update")["usable_context"] is None


def test_update_by_a_side_that_never_tested_keeps_the_results() -> None:
    untested = {"test_status": "untested", "tested_context": None}
    assert merged(measured(100), untested, "update") == measured(100)


def test_replace_takes_the_whole_object_and_what_it_does_not_tell_is_unknown() -> None:
    ours = {"notes": "mine", "publisher": "org", "tags": ["x"], "favourite": True, "added": EARLY}
    assert merged(ours, {"notes": "theirs"}, "replace") == {
        "notes": "theirs", "publisher": None, "tags": [], "favourite": False, "added": EARLY,
    }  # fmt: skip


def test_prefer_newer_decides_part_by_part() -> None:
    ours = {"notes": "mine", "updated": LATE, **measured(100, EARLY), "opening_balance": {"last_used": LATE}}
    theirs = {"notes": "theirs", "updated": EARLY, **measured(200, LATE), "opening_balance": {"last_used": EARLY}}
    assert merged(ours, theirs, "prefer_newer") == ours | measured(200, LATE)


@pytest.mark.parametrize("moment", [EARLY, None, "yesterday"])
def test_prefer_newer_leaves_what_it_cannot_decide_and_says_so(moment: str | None) -> None:
    ours = content(("a", {"notes": "mine", "updated": EARLY}))
    made = merge(ours, content(("a", {"notes": "theirs", "updated": moment})), "prefer_newer")
    assert made.content == ours
    assert [str(each) for each in made.undecided] == ["model a: notes (neither side is newer)"]


def test_a_model_that_was_never_tested_is_older_than_one_that_was() -> None:
    made = merge(content(("a", {"test_status": "untested"})), content(("a", measured(100))), "prefer_newer")
    assert (made.content.models[model_id("a")], made.undecided) == (measured(100), [])


def test_members_of_a_group_are_added_up_and_an_unknown_one_is_dropped_with_a_warning() -> None:
    here = content(("a", {}), ("b", {}), groups={"g": {"models": [model_id("a")]}})
    there = Content(servers=here.servers, groups={"g": {"models": [model_id("b"), model_id("gone")]}})
    made = merge(here, there, "update")
    assert made.content.groups["g"]["models"] == [model_id("b"), model_id("a")]
    assert made.warnings == ["Group g is taken without gone, which the registry does not have."]


def test_a_model_of_a_file_without_servers_is_merged_into_the_one_of_that_key() -> None:
    file = content((ModelId("", "a", ""), {"notes": "x"}), (ModelId("", "new", ""), {}))
    made = merge(content(("a", {}), ("b", {})), file, "update").content
    assert set(made.models) == {model_id("a"), model_id("b"), ModelId("", "new", "")}


def test_a_model_of_a_file_that_could_be_several_is_refused_with_the_candidates() -> None:
    here = content(("a", {}), (model_id("a", DESK), {}))
    with pytest.raises(Unreadable, match=r'models\["a"\]: could be any of desk/a, shelf/a'):
        merge(here, content((ModelId("", "a", ""), {})), "update")


def test_a_model_that_somebody_added_by_hand_stays_on_no_server() -> None:
    custom = ModelId("", "a", "")
    made = merge(content(("a", {})), content((custom, {"source": "manual_addition"})), "update").content
    assert set(made.models) == {model_id("a"), custom}


def results_after(ours: Content, theirs: Content, results: bool | None = None) -> list[int | None]:
    made = merge(ours, theirs, "update", results=results).content
    return [fields.get("tested_context") for fields in made.models.values()]


def test_results_of_the_same_address_come_along() -> None:
    assert results_after(content(("a", measured(1)), host="x"), content(("a", measured(2)), host="y")) == [2]


@pytest.mark.parametrize(("host", "results", "after"), [
    ("here", None, 2), ("there", None, 1), ("", None, 2), ("there", True, 2), ("here", False, 1),
])  # fmt: skip
def test_results_of_a_loopback_address_come_along_from_the_same_host_or_when_asked_for(
    host: str, results: bool | None, after: int
) -> None:
    here = content((model_id("a", LOCAL), measured(1)), host="here")
    assert results_after(here, content((model_id("a", LOCAL), measured(2)), host=host), results) == [after]


def test_a_new_model_of_another_hosts_loopback_address_is_missing_until_a_scan_finds_it() -> None:
    here, there = content(host="here"), content((model_id("a", LOCAL), measured(2, missing=False)), host="there")
    assert merge(here, there, "update").content.models == {model_id("a", LOCAL): {"missing": True}}


def test_a_loopback_server_keeps_its_name_when_another_host_calls_it_otherwise() -> None:
    here = content((model_id("a", LOCAL), {}), host="here")
    there = content((model_id("a", LOCAL), {}), host="there", servers={LOCAL: {"name": "theirs"}})
    assert merge(here, there, "update").content.servers == here.servers


@pytest.mark.parametrize(("strategy", "variant", "size"), [("update", "q8", 2), ("skip", "q4", 1)])
def test_another_variant_is_the_same_model_and_the_winner_says_which(strategy: str, variant: str, size: int) -> None:
    here, there = model_id("a", variant="q4"), model_id("a", variant="q8")
    made = merge(content((here, measured(1))), content((there, measured(2))), strategy).content.models
    assert {key.variant: fields["tested_context"] for key, fields in made.items()} == {variant: size}


@pytest.mark.parametrize(("alias", "name"), [("prefer_incoming", "update"), ("prefer_existing", "skip")])
def test_a_strategy_has_an_alias(alias: str, name: str) -> None:
    assert strategy_named(alias) == name


def test_an_unknown_strategy_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="one of update, skip, replace, prefer_newer, not newest"):
        merge(Content(), Content(), "newest")


@few
@given(contents(), contents())
def test_taking_over_everything_makes_both_sides_equal(one: Content, other: Content) -> None:
    tokens = {change.token for change in diff(one, other).changes}
    assert not diff(take_over(one, other, tokens), other)


@few
@given(contents(), contents())
def test_taking_over_nothing_changes_nothing(one: Content, other: Content) -> None:
    assert take_over(one, other, ()) == one


def test_a_single_field_is_taken_over_by_its_token() -> None:
    here = content(("a", {"notes": "mine", "publisher": "x", "updated": EARLY}))
    there = content(("a", {"notes": "theirs", "publisher": "y", "updated": LATE}))
    token = diff(here, there).changes[0].fields[0].token
    assert take_over(here, there, {token}).models[model_id("a")] == {
        "notes": "theirs", "publisher": "x", "updated": LATE,
    }  # fmt: skip


def test_a_chosen_missing_model_is_removed_from_the_registry_and_its_groups() -> None:
    here = content(("a", {}), ("b", {}), groups={"g": {"models": [model_id("a"), model_id("b")]}})
    there = content(("b", {}), groups={"g": {"models": [model_id("b")]}})
    token = next(change.token for change in diff(here, there).changes if change.action == "missing")
    made = take_over(here, there, {token})
    assert (set(made.models), made.groups["g"]["models"]) == ({model_id("b")}, [model_id("b")])


def test_a_chosen_model_brings_its_server() -> None:
    there = content((model_id("a", DESK), {}))
    token = next(change.token for change in diff(Content(), there).changes if change.kind == "model")
    assert take_over(Content(), there, {token}) == there


def test_results_of_another_host_are_taken_over_only_by_their_own_token() -> None:
    here = content((model_id("a", LOCAL), {"notes": "mine", **measured(1)}), host="here")
    there = content((model_id("a", LOCAL), {"notes": "theirs", **measured(2)}), host="there")
    change = diff(here, there).changes[0]
    whole = take_over(here, there, {change.token}).models[model_id("a", LOCAL)]
    assert (whole["notes"], whole["tested_context"]) == ("theirs", 1)
    results = next(each.token for each in change.fields if each.part == "results")
    assert take_over(here, there, {results}).models[model_id("a", LOCAL)]["tested_context"] == 2


def test_a_change_that_is_not_there_any_more_is_refused() -> None:
    with pytest.raises(ValueError, match="One of the changes to take over is not there any more"):
        take_over(Content(), Content(), {"gone"})


def test_what_was_chosen_as_changed_is_not_removed_when_it_is_gone_meanwhile() -> None:
    here = content(("a", {"notes": "here"}))
    chosen = diff(here, content(("a", {"notes": "there"}))).changes[0].token
    with pytest.raises(ValueError, match="not there any more"):
        take_over(here, Content(), {chosen})


@pytest.mark.parametrize(("name", "meant"), [
    ("shelf/a", model_id("a")), ("desk/a", model_id("a", DESK, "q4")), ("desk/a@q4", model_id("a", DESK, "q4")),
    ("shelf/b@q8", model_id("b", variant="q8")), ("b/c", model_id("b/c")),
])  # fmt: skip
def test_a_model_of_a_file_without_servers_is_found_by_each_of_its_ids(name: str, meant: ModelId) -> None:
    variants: list[tuple[ModelId | str, Fields]] = [(model_id("b", variant=each), {}) for each in ("q4", "q8")]
    here = content(("a", {}), (model_id("a", DESK, "q4"), {}), ("b/c", {}), *variants)
    made = merge(here, content((ModelId("", name, ""), {"notes": "x"})), "update").content
    assert [model for model, fields in made.models.items() if fields] == [meant]
    assert len(made.models) == len(here.models)


def test_an_id_that_could_be_several_variants_is_refused() -> None:
    here = content((model_id("b", variant="q4"), {}), (model_id("b", variant="q8"), {}))
    with pytest.raises(Unreadable, match="could be any of shelf/b@q4, shelf/b@q8"):
        merge(here, content((ModelId("", "shelf/b", ""), {})), "update")


def test_a_file_that_names_one_model_by_two_ids_is_refused() -> None:
    file = content((ModelId("", "a", ""), {}), (ModelId("", "shelf/a", ""), {}))
    with pytest.raises(Unreadable, match="stands there more than once"):
        merge(content(("a", {})), file, "update")
