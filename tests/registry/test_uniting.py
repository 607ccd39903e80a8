"""What two sides come to by a sync."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.diffing import diff
from registry.documents.content import Content, Fields
from registry.strategies import STRATEGIES
from registry.uniting import United, unite
from tests.generated_contents import LOCAL, content, contents, measured, model_id

few = settings(max_examples=40)
any_strategy = st.sampled_from(STRATEGIES)
HERE = model_id("a", LOCAL)


def hosts(one: Content, other: Content, base: Content | None = None) -> United:
    """A sync of two installations."""
    return unite(base, replace(one, host="one"), replace(other, host="other"), "prefer_newer")


def same(one: Content, other: Content) -> bool:
    return not diff(one, other, sparse=True)


@few
@given(contents(), contents(), any_strategy)
def test_both_sides_are_equal_after_their_first_sync(one: Content, other: Content, strategy: str) -> None:
    united = unite(None, one, other, strategy)
    assert same(united.first, united.second)


@few
@given(contents(), contents(), any_strategy)
def test_a_first_sync_deletes_nothing(one: Content, other: Content, strategy: str) -> None:
    united = unite(None, one, other, strategy)
    assert diff(one, united.first).count("missing") == diff(other, united.second).count("missing") == 0


@few
@given(contents(), contents(), contents(), any_strategy)
def test_both_sides_are_equal_after_every_sync(base: Content, one: Content, other: Content, strategy: str) -> None:
    united = unite(base, one, other, strategy)
    assert same(united.first, united.second)


@few
@given(contents(), contents(), any_strategy)
def test_a_sync_right_after_a_sync_does_nothing(one: Content, other: Content, strategy: str) -> None:
    once = unite(None, one, other, strategy)
    again = unite(once.common, once.first, once.second, strategy)
    assert same(again.first, once.first)
    assert same(again.second, once.second)
    assert not again.conflicts


@few
@given(contents(), contents())
def test_a_sync_right_after_one_of_two_hosts_does_nothing(one: Content, other: Content) -> None:
    once = hosts(one, other)
    again = hosts(once.first, once.second, once.common)
    assert same(again.first, once.first)
    assert same(again.second, once.second)


def local(fields: Fields) -> Content:
    """A content with one model on the loopback address."""
    return content((HERE, fields))


def test_notes_travel_between_hosts_and_test_results_of_a_loopback_address_do_not() -> None:
    ours = {"notes": "x", "updated": "2026-02-01T00:00:00Z", **measured(1), "missing": False}
    theirs = {"notes": "y", "updated": "2026-03-01T00:00:00Z", **measured(2), "missing": True}
    united = hosts(local(ours), local(theirs))
    first, second = united.first.models[HERE], united.second.models[HERE]
    assert (first["notes"], first["tested_context"], first["missing"]) == ("y", 1, False)
    assert (second["notes"], second["tested_context"], second["missing"]) == ("y", 2, True)


def test_test_results_travel_when_they_are_asked_for() -> None:
    ours, theirs = replace(local(measured(1)), host="one"), replace(local({"test_status": "untested"}), host="other")
    united = unite(None, ours, theirs, "prefer_newer", results=True)
    assert united.second.models[HERE]["tested_context"] == 1


def test_a_new_model_of_the_other_hosts_loopback_address_is_missing_here() -> None:
    united = hosts(content(("b", {})), local(measured(1)))
    assert united.first.models[HERE] == {"missing": True}
    assert united.second.models[HERE] == measured(1)


def test_what_one_host_forgot_of_its_loopback_address_the_other_keeps_group_and_all() -> None:
    base = replace(local({"notes": "x"}), groups={"g": {"models": [HERE]}})
    forgot = Content(servers=base.servers, groups={"g": {"models": []}})
    united = hosts(forgot, base, base)
    assert (united.first.models, united.first.groups["g"]["models"]) == ({}, [])
    assert (set(united.second.models), united.second.groups["g"]["models"]) == ({HERE}, [HERE])


def test_each_side_keeps_its_own_name_and_dates() -> None:
    one = Content(registry="mine", last_updated="2026-01-01T00:00:00Z")
    united = unite(None, one, Content(registry="yours", last_updated="2026-02-01T00:00:00Z"), "update")
    assert (united.first.registry, united.second.registry) == ("mine", "yours")
    assert united.first.last_updated == "2026-01-01T00:00:00Z"
