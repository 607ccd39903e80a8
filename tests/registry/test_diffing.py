"""What is different between two contents."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings

from registry.diffing import Change, diff
from registry.documents.content import PARTS, Content, ModelId, Unreadable
from tests.generated_contents import DESK, LOCAL, SHELF, content, contents, measured, model_id

few = settings(max_examples=40)


def only(before: Content, after: Content) -> Change:
    [change] = diff(before, after).changes
    return change


@few
@given(contents())
def test_a_content_is_the_same_as_itself(one: Content) -> None:
    assert not diff(one, one)


@few
@given(contents(), contents())
def test_what_is_added_one_way_is_missing_the_other_way(one: Content, other: Content) -> None:
    there, back = diff(one, other), diff(other, one)
    assert there.count("added") == back.count("missing")
    assert there.count("changed") == back.count("changed")
    assert sum(there.same.values()) == sum(back.same.values())


def test_a_changed_model_names_its_fields_with_both_values_and_their_part() -> None:
    before = content(("a", {"notes": "short", "pinned": False, **measured(100)}))
    after = content(("a", {"notes": "long", "pinned": True, **measured(200)}))
    told = [(each.field, each.before, each.after, each.part) for each in only(before, after).fields]
    assert told == [
        ("notes", "short", "long", "facts"),
        ("pinned", False, True, "labels"),
        ("tested_context", 100, 200, "results"),
    ]


def test_a_date_alone_is_no_change() -> None:
    assert not diff(content(("a", {"updated": "2026-01-01T00:00:00Z"})), content(("a", {"updated": None})))


def test_unknown_empty_and_nothing_are_the_same() -> None:
    assert not diff(content(("a", {"notes": "", "tags": []})), content(("a", {"notes": None, "tags": None})))


def test_a_field_that_one_side_does_not_tell_is_compared_only_when_asked() -> None:
    before, after = content(("a", {"notes": "x"})), content(("a", {}))
    assert not diff(before, after)
    assert diff(before, after, sparse=True).changes[0].fields[0].after is None


def test_another_variant_of_a_key_that_is_there_once_is_a_change_not_a_new_model() -> None:
    change = only(content((model_id("a", variant="q4"), {})), content((model_id("a", variant="q8"), {})))
    assert (change.action, change.fields[0][:3]) == ("changed", ("variant", "q4", "q8"))


def test_another_variant_of_a_key_that_is_there_twice_is_a_new_model() -> None:
    before = content((model_id("a", variant="q4"), {}))
    after = content((model_id("a", variant="q4"), {}), (model_id("a", variant="q8"), {}))
    assert only(before, after).action == "added"


def test_the_order_of_a_groups_members_matters() -> None:
    pair = [model_id("a"), model_id("b")]
    before = content(("a", {}), ("b", {}), groups={"daily": {"models": pair}})
    after = content(("a", {}), ("b", {}), groups={"daily": {"models": pair[::-1]}})
    assert [each.part for each in only(before, after).fields] == ["labels"]


def test_a_token_names_the_same_field_at_every_comparison() -> None:
    before = content(("a", {"notes": "x", "pinned": False}))
    first = only(before, content(("a", {"notes": "y", "pinned": False})))
    second = only(before, content(("a", {"notes": "z", "pinned": True})))
    assert first.token == second.token
    assert first.fields[0].token == second.fields[0].token != second.fields[1].token


def test_the_sentence_says_what_there_is_more_less_and_otherwise() -> None:
    before = content(("a", {"notes": "x"}), ("b", {}))
    after = content(("a", {"notes": "y"}), ("c", {}), ("d", {}), profiles={"p": {}})
    assert diff(before, after).sentence("shelf") == (
        "shelf has 2 models more, lacks 1, and differs in 1; has 1 profile more"
    )
    assert diff(before, before).sentence("shelf", "desk") == "shelf is the same as desk"


def test_counts_are_by_action_and_kind() -> None:
    found = diff(content(("a", {}), ("b", {})), content(("b", {}), groups={"g": {}}))
    assert (found.count(), found.count("missing"), found.count("added", "group")) == (2, 1, 1)
    assert found.same == {"model": 1, "group": 0, "profile": 0, "server": 1}


def test_a_model_of_a_file_without_servers_is_the_one_of_that_key() -> None:
    here, file = content(("a", {"notes": "x"})), content((ModelId("", "a", ""), {"notes": "y"}))
    assert only(here, file).identity == only(file, here).identity == model_id("a")


def test_servers_are_not_compared_with_a_file_that_tells_of_none() -> None:
    assert not diff(content(("a", {})), content((ModelId("", "a", ""), {})))


def test_a_model_of_a_file_without_servers_that_could_be_several_is_a_fault() -> None:
    here = content(("a", {}), (model_id("a", DESK), {}))
    with pytest.raises(Unreadable, match="could be any of desk/a, shelf/a"):
        diff(here, content((ModelId("", "a", ""), {})))


def test_a_model_at_a_loopback_address_of_another_host_is_elsewhere() -> None:
    before = content((model_id("a", LOCAL), measured(1)), ("b", measured(1)), host="one")
    after = content((model_id("a", LOCAL), measured(2)), ("b", measured(2)), host="two")
    assert [(each.id, each.elsewhere) for each in diff(before, after).changes] == [("a", True), ("b", False)]


def many(number: int, **fields: Any) -> Content:
    every = {name: None for part in PARTS.values() for name in part if name != "tests"}
    servers = {SHELF: {"name": "shelf"}}
    return Content(servers, {model_id(f"m{n}"): every | {"size_bytes": n} | fields for n in range(number)})


def test_the_time_of_a_comparison_grows_with_the_models_and_not_with_their_square() -> None:
    before, after = many(4_000), many(4_000, notes="x", tested_context=5)
    began = time.process_time()
    assert diff(before, after).count("changed") == 4_000
    assert time.process_time() - began < 1  # 0.08 seconds alone on two cores
