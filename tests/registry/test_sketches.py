"""The sketch of durations: quantiles within 2 % of the exact ones, exact merging."""

from __future__ import annotations

import json
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.sketches import LARGEST, Sketch, bucket, told

QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
values = st.lists(st.integers(0, LARGEST), min_size=1, max_size=300)


def sketch_of(numbers: list[int]) -> Sketch:
    sketch = Sketch()
    for number in numbers:
        sketch.add(number)
    return sketch


def worst_error(numbers: list[int]) -> float:
    """The largest relative error of its quantiles against the exact ones (nearest rank)."""
    sketch, ordered = sketch_of(numbers), sorted(numbers)
    errors = []
    for q in QUANTILES:
        exact, guess = ordered[max(math.ceil(q * len(ordered)), 1) - 1], sketch.quantile(q)
        assert guess is not None
        errors.append(abs(guess - exact) / exact if exact else guess)
    return max(errors)


def test_quantiles_of_lognormal_times_are_within_two_percent() -> None:
    chance = Random(1)
    assert worst_error([round(chance.lognormvariate(14, 1.5)) for _ in range(50_000)]) <= 0.0191


@pytest.mark.parametrize(
    "numbers",
    [
        [0] * 10,
        [1] * 99 + [10**13],
        [10] * 95 + [60_000_000] * 5,
        list(range(2_000)),
        [2**power for power in range(62)],
        [9**power for power in range(19) for _ in range(power)],
    ],
)
def test_quantiles_of_hostile_values_are_within_two_percent(numbers: list[int]) -> None:
    assert worst_error(numbers) <= 0.0191


@given(values)
def test_quantiles_of_anything_are_within_two_percent(numbers: list[int]) -> None:
    assert worst_error(numbers) <= 0.0191


@given(values, values)
def test_merging_is_the_same_as_adding_all(some: list[int], more: list[int]) -> None:
    merged = sketch_of(some)
    merged.merge(sketch_of(more))
    assert merged == sketch_of(some + more)
    assert merged.count == len(some) + len(more)


@given(values)
def test_a_sketch_comes_back_from_json(numbers: list[int]) -> None:
    sketch = sketch_of(numbers)
    assert Sketch.from_json(json.loads(json.dumps(sketch.as_json()))) == sketch


def test_a_sketch_without_values_has_no_quantile() -> None:
    assert Sketch().quantile(0.95) is None


def test_every_bucket_begins_where_the_one_before_it_ends() -> None:
    assert [bucket(number) for number in (0, 1, 25, 26, 27, LARGEST, LARGEST * 9)] == [
        0, 1, 25, 26, 26, bucket(LARGEST), bucket(LARGEST),
    ]  # fmt: skip
    assert told(0) == 0
