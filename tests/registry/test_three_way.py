"""Merging two sides that had the same content once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.diffing import diff
from registry.documents.content import Content, Fields
from registry.strategies import STRATEGIES
from registry.three_way import three_way
from tests.generated_contents import MOMENTS, content, contents, measured, model_id

EARLY, MIDDLE, LATE = MOMENTS
few = settings(max_examples=40)
any_strategy = st.sampled_from(STRATEGIES)


def one(fields: Fields) -> Content:
    """A content with the one model "a"."""
    return content(("a", fields))


def merged(base: Fields, ours: Fields, theirs: Fields, strategy: str = "prefer_newer") -> Fields:
    """The one model "a" after a merge."""
    return three_way(one(base), one(ours), one(theirs), strategy).content.models[model_id("a")]


@few
@given(contents(), any_strategy)
def test_where_nothing_changed_nothing_changes(it: Content, strategy: str) -> None:
    made = three_way(it, it, it, strategy)
    assert (made.content, made.conflicts) == (it, [])


@few
@given(contents(), contents(), any_strategy)
def test_what_only_one_side_changed_is_taken_from_there(base: Content, new: Content, strategy: str) -> None:
    theirs, ours = three_way(base, base, new, strategy), three_way(base, new, base, strategy)
    assert (theirs.conflicts, ours.conflicts) == ([], [])
    assert not diff(theirs.content, new)
    assert not diff(ours.content, new)


@few
@given(contents(), contents(), contents(), any_strategy)
def test_a_second_sync_after_the_first_changes_nothing(
    base: Content, ours: Content, theirs: Content, strategy: str
) -> None:
    once = three_way(base, ours, theirs, strategy).content
    assert not diff(once, three_way(once, once, once, strategy).content, sparse=True)


@few
@given(contents(), contents(), contents())
def test_the_newer_side_wins_from_whichever_side_it_is_seen(base: Content, ours: Content, theirs: Content) -> None:
    there, back = three_way(base, ours, theirs, "prefer_newer"), three_way(base, theirs, ours, "prefer_newer")
    if not there.undecided:
        assert {model: fields.get("notes") for model, fields in there.content.models.items()} == {
            model: fields.get("notes") for model, fields in back.content.models.items()
        }


def test_fields_that_different_sides_changed_are_both_taken() -> None:
    base = {"notes": "", "publisher": "org", "updated": EARLY}
    made = merged(base, base | {"notes": "x", "updated": MIDDLE}, base | {"publisher": "new", "updated": LATE})
    assert made == {"notes": "x", "publisher": "new", "updated": LATE}


@pytest.mark.parametrize(("strategy", "notes"), [
    ("update", "theirs"), ("skip", "ours"), ("replace", "theirs"), ("prefer_newer", "ours"),
])  # fmt: skip
def test_a_field_that_both_sides_changed_is_decided_by_the_strategy(strategy: str, notes: str) -> None:
    ours, theirs = {"notes": "ours", "updated": LATE}, {"notes": "theirs", "updated": MIDDLE}
    made = three_way(one({"notes": "", "updated": EARLY}), one(ours), one(theirs), strategy)
    assert made.content.models[model_id("a")]["notes"] == notes
    assert [str(each) for each in made.conflicts] == ["model a: notes (changed on both sides)"]


def test_a_dispute_without_a_newer_side_keeps_ours_and_is_undecided() -> None:
    base, ours, theirs = (one({"notes": notes, "updated": EARLY}) for notes in ("", "ours", "theirs"))
    made = three_way(base, ours, theirs, "prefer_newer")
    assert made.content.models[model_id("a")]["notes"] == "ours"
    assert len(made.undecided) == 1


def test_results_of_one_test_stay_together() -> None:
    base = {"test_status": "untested"}
    ours, theirs = measured(100, MIDDLE, usable_context=90), measured(200, LATE, usable_context=None)
    assert merged(base, ours, theirs) == theirs


def test_tags_are_merged_one_by_one() -> None:
    assert merged({"tags": ["a", "b"]}, {"tags": ["b", "c"]}, {"tags": ["a", "b", "d"]})["tags"] == ["b", "c", "d"]


def test_a_model_deleted_on_one_side_is_deleted() -> None:
    both, less = content(("a", {}), ("b", {})), content(("b", {}))
    for made in (three_way(both, less, both, "skip"), three_way(both, both, less, "skip")):
        assert (set(made.content.models), made.conflicts) == ({model_id("b")}, [])


def test_a_model_deleted_on_one_side_and_changed_on_the_other_is_kept_and_told() -> None:
    made = three_way(one({"notes": ""}), content(("b", {})), one({"notes": "x"}), "prefer_newer")
    assert model_id("a") in made.content.models
    assert [str(each) for each in made.conflicts] == ["model a (deleted on one side, changed on the other; kept)"]


def test_a_deleted_model_leaves_its_groups_with_a_warning() -> None:
    base = content(("a", {}), groups={"g": {"models": [model_id("a")]}})
    made = three_way(base, Content(servers=base.servers, groups=base.groups), base, "update")
    assert made.content.groups["g"]["models"] == []


def test_a_tag_that_both_sides_spell_in_another_way_is_one() -> None:
    assert merged({"tags": []}, {"tags": ["prod"]}, {"tags": ["Prod", "x"]})["tags"] == ["prod", "x"]


def test_a_group_that_both_sides_spell_in_another_way_is_one() -> None:
    made = three_way(one({}), content(groups={"g": {}}), content(groups={"G": {}}), "update")
    assert list(made.content.groups) == ["g"]
