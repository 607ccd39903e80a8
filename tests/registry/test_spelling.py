"""Names that differ by capitals alone are one."""

from __future__ import annotations

import pytest

from registry.diffing import diff
from registry.merging import merge, take_over
from registry.spelling import alike
from registry.strategies import STRATEGIES
from tests.generated_contents import MOMENTS, content, model_id

EARLY, LATE = MOMENTS[0], MOMENTS[2]


def test_the_ways_in_which_a_name_is_written_are_found() -> None:
    assert alike(["prod", "x", "Ärger", "PROD", "ärger", "x"]) == [["PROD", "prod"], ["Ärger", "ärger"]]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_names_that_differ_by_capitals_are_one_in_the_spelling_that_is_here(strategy: str) -> None:
    here = content(("a", {"tags": ["prod"], "updated": EARLY}), groups={"g": {"models": []}}, profiles={"p": {}})
    there = content(
        ("a", {"tags": ["PROD", "Prod"], "updated": LATE}),
        ("b", {"tags": ["New", "new", "proD"]}),
        groups={"G": {"models": [model_id("a")]}},
        profiles={"P": {"max_context": 1}},
    )
    made = merge(here, there, strategy).content
    assert [fields["tags"] for fields in made.models.values()] == [["prod"], ["New", "prod"]]
    assert (list(made.groups), list(made.profiles)) == (["g"], ["p"])


def test_a_group_that_is_taken_over_joins_the_one_of_its_name() -> None:
    here = content(("a", {}), ("b", {}), groups={"g": {"models": [model_id("a")]}})
    there = content(("a", {}), ("b", {}), groups={"G": {"models": [model_id("b")]}})
    token = next(change.token for change in diff(here, there).changes if change.action == "added")
    assert take_over(here, there, {token}).groups == {"g": {"models": [model_id("b"), model_id("a")]}}


def test_a_server_that_is_disabled_on_one_side_alone_is_no_difference() -> None:
    here, there = (content(("a", {})) for _ in range(2))
    there.servers["http://shelf:1234"]["enabled"] = False
    assert not diff(here, there)
