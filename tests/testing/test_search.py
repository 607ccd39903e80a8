"""The context search against simulated servers."""

import random
from collections.abc import Callable
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.search import GRAIN, SMALL, ContextSearch, Tried, Why


def play(search: ContextSearch, fits: Callable[[int], bool], needed: Callable[[int], int] | None = None) -> list[int]:
    """Runs the search to its end against `fits`; gives the sizes tried, in order."""
    while asked := search.next_probe():
        size = asked[0]
        good = fits(size)
        search.record(Tried(size, good, needed_bytes=None if good or needed is None else needed(size)))
        assert len(search.tried) < 60
    return [tried.size for tried in search.tried]


def within(limit: int) -> Callable[[int], bool]:
    """A server on which everything up to `limit` fits."""
    return lambda size: size <= limit


def cases(count: int = 600) -> list[tuple[int, int]]:
    """(declared, limit): limits log-uniform in [1024, 0.98 declared], as in the published simulation."""
    dice = random.Random(7)
    made = []
    for _ in range(count):
        declared = dice.choice([8192, 32_768, 131_072, 262_144, 1_048_576])
        made.append((declared, int(1024 * (0.98 * declared / 1024) ** dice.random())))
    return made


def loads(error: float) -> float:
    """Mean number of probes after the small one, with an estimate that is off by `error` (standard deviation)."""
    dice = random.Random(11)
    counts = []
    for declared, limit in cases():
        guess = max(GRAIN, int(limit * dice.gauss(1, error)) // GRAIN * GRAIN)
        search = ContextSearch(declared, estimate=guess, force=True)
        counts.append(len(play(search, within(limit))) - 1)
    return mean(counts)


def test_a_small_declared_size_that_works_takes_two_probes() -> None:
    assert play(ContextSearch(8192), lambda size: size <= 8192) == [SMALL, 8192]


def test_the_declared_size_comes_first_where_a_guardrail_is_on() -> None:
    assert play(ContextSearch(131_072, guarded=True), lambda _: True) == [SMALL, 131_072]


def test_without_a_guardrail_the_search_doubles_upwards() -> None:
    sizes = play(ContextSearch(131_072), lambda size: size <= 9000)
    assert sizes[:4] == [2048, 4096, 8192, 16_384]


def test_an_exact_estimate_takes_at_most_two_loads() -> None:
    assert loads(0.0) <= 2.05


def test_an_estimate_off_by_three_percent_takes_about_three_loads() -> None:
    assert loads(0.03) <= 3.3


def test_an_estimate_off_by_a_quarter_still_beats_bisection() -> None:
    assert loads(0.25) <= 6.6


def test_no_estimate_takes_fewer_than_nine_loads_on_average() -> None:
    counts = [len(play(ContextSearch(declared, guarded=True), within(limit))) for declared, limit in cases()]
    assert mean(counts) - 1 <= 8.6


@given(st.integers(300, 1_000_000), st.integers(256, 1_000_000), st.one_of(st.none(), st.integers(256, 2_000_000)))
def test_the_result_is_within_the_tolerance_of_the_true_limit(declared: int, limit: int, estimate: int | None) -> None:
    search = ContextSearch(declared, estimate=estimate, force=True)
    play(search, lambda size: size <= limit)
    true = min(declared, limit)
    assert search.result is not None
    assert search.result <= true
    assert true - search.result <= max(2 * GRAIN - 1, 0.01 * true + GRAIN)


@given(st.integers(2048, 500_000), st.integers(0, 2**32))
def test_a_server_that_fails_at_random_never_traps_the_search(declared: int, seed: int) -> None:
    dice = random.Random(seed)
    search = ContextSearch(declared, guarded=dice.random() < 0.5)
    play(search, lambda _: dice.random() < 0.5)
    assert search.closed


def test_two_refusals_with_gigabytes_give_the_estimate() -> None:
    search = ContextSearch(131_072, limit_bytes=440_401_920)
    needed = lambda size: round((263_000_000 + size * 24_064) / 1e7) * 10_000_000  # noqa: E731
    sizes = play(search, lambda size: 263_000_000 + size * 24_064 <= 440_401_920, needed)
    assert len(sizes) <= 7
    assert abs((search.result or 0) - 7372) <= 2 * GRAIN


def test_a_refusal_and_two_measured_loads_give_the_estimate() -> None:
    search = ContextSearch(131_072, limit_bytes=440_401_920)
    for size in (2048, 4096):
        search.record(Tried(size, True, memory_bytes=150_000_000 + size * 23_040))
    search.record(Tried(12_288, False, needed_bytes=558_000_000))
    assert abs((search.guess or 0) - 7177) <= 384


def test_without_a_guardrail_nothing_far_above_the_estimate_is_loaded() -> None:
    sizes = play(ContextSearch(131_072, estimate=10_000), lambda _: True)
    assert max(sizes) <= 12_500


def test_the_threshold_is_never_exceeded() -> None:
    assert max(play(ContextSearch(131_072, ceiling=5000), lambda _: True)) == 5000


def test_a_model_that_never_loads_ends_with_zero() -> None:
    search = ContextSearch(8192)
    assert play(search, lambda _: False) == [2048, 1024, 512, 256]
    assert search.result == 0


def test_a_server_that_always_applies_the_same_size_is_believed_the_second_time() -> None:
    search = ContextSearch(65_536, guarded=True)
    while asked := search.next_probe():
        search.record(Tried(asked[0], asked[0] <= 6553, applied=min(asked[0], 6553)))
    assert search.result == 6400
    assert len(search.tried) <= 4


def test_a_failure_below_a_success_counts_as_a_fluke() -> None:
    search = ContextSearch(8192)
    for size, good in ((2048, True), (4096, False), (6144, True)):
        search.record(Tried(size, good))
    assert (search.low, search.high) == (6144, None)


def test_a_search_rebuilt_from_its_probes_asks_the_same() -> None:
    first = ContextSearch(131_072, guarded=True)
    play(first, lambda size: size <= 40_000)
    again = ContextSearch(131_072, guarded=True, tried=list(first.tried[:5]))
    assert again.next_probe() is not None
    assert again.next_probe()[0] == first.tried[5].size  # type: ignore[index]


@pytest.mark.parametrize(("declared", "why"), [(8192, Why.DECLARED), (131_072, Why.DOUBLE)])
def test_each_probe_says_why(declared: int, why: Why) -> None:
    search = ContextSearch(declared, tried=[Tried(2048, True)])
    asked = search.next_probe()
    assert asked is not None
    assert asked[1] is why
