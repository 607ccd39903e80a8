"""Numbers, sizes and times as people read them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from registry.templatetags import figures


@pytest.mark.parametrize(("value", "text"), [(131072, "131,072"), (52.34, "52.3"), (52.0, "52"), (0, "0")])
def test_numbers_are_grouped(value: float, text: str) -> None:
    assert figures.number(value) == text


@pytest.mark.parametrize("figure", [figures.number, figures.size, figures.duration, figures.ago, figures.moment])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_known_is_a_dash_that_says_so(figure: object, value: object) -> None:
    assert 'aria-label="unknown">–' in figure(value)  # type: ignore[operator]


def test_zero_is_known() -> None:
    assert figures.number(0) == "0"
    assert figures.duration(0) == "0.00 s"
    assert "0 bytes</span>" in figures.size(0)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (15_210_384_512, "15.2 GB"),
        (24_000_000_000, "24 GB"),
        (440_401_920, "440 MB"),
        (98_000_000, "98 MB"),
        (999, "999 bytes"),
        (1_500_000_000_000, "1.5 TB"),
    ],
)
def test_sizes_are_humanized_in_powers_of_ten(count: int, text: str) -> None:
    assert figures.plain_size(count) == text


def test_a_size_has_its_exact_bytes_on_hover() -> None:
    assert figures.size(15_210_384_512) == '<span title="15,210,384,512 bytes">15.2 GB</span>'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.42 s"),
        (12.44, "12.4 s"),
        (59.96, "1 min"),
        (252, "4 min 12 s"),
        (7_380, "2 h 3 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_show_their_two_largest_units(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


def test_a_time_ago_has_the_exact_time_on_hover() -> None:
    shown = figures.ago(timezone.now() - timedelta(minutes=4, seconds=2))
    assert ">4 min ago</time>" in shown
    assert 'UTC"' in shown


@pytest.mark.parametrize(("seconds", "text"), [(2, "just now"), (30, "30 s ago"), (-600, "in 9 min")])
def test_near_times_are_told_in_small_units(seconds: int, text: str) -> None:
    assert f">{text}</time>" in figures.ago(timezone.now() - timedelta(seconds=seconds))


def test_a_time_long_ago_is_a_date() -> None:
    assert ">3 Feb 2020</time>" in figures.ago(datetime(2020, 2, 3, 4, 5, tzinfo=UTC))


def test_a_sentence_keeps_its_inner_capitals() -> None:
    assert figures.sentence("the file changed on 21 Nov") == "The file changed on 21 Nov"
