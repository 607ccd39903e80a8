"""Amounts as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import sizes

READERS = [sizes.bytes_of, sizes.tokens_of, sizes.count_of, sizes.speed_of]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5GB", 5 * 10**9), ("1.5gb", 1_500_000_000), ("4GiB", 4 * 2**30), ("0.5 KiB", 512), ("300", 300),
        ("12 B", 12), ("2tb", 2 * 10**12), ("7MB", 7 * 10**6), ("9kB", 9000), ("1TiB", 2**40), ("3G", 3 * 10**9),
    ],
)  # fmt: skip
def test_a_size_is_read_in_decimal_and_binary_units(text: str, expected: int) -> None:
    assert sizes.bytes_of(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("30000", 30_000), ("32k", 32_768), ("128K", 131_072), ("1M", 2**20)])
def test_a_k_of_tokens_is_1024(text: str, expected: int) -> None:
    assert sizes.tokens_of(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("7B", 7 * 10**9), ("135m", 135 * 10**6), ("3.2b", 3_200_000_000)])
def test_parameters_are_counted_in_millions_and_billions(text: str, expected: int) -> None:
    assert sizes.count_of(text) == expected


def test_a_speed_is_a_plain_number() -> None:
    assert sizes.speed_of("12.5") == 12.5


@pytest.mark.parametrize("text", ["", "GB", "5XB", "-5GB", "5 GB 3", "1e9", "٣GB", "½", "nan", "inf", "5GB\0", "1_000"])
def test_what_is_no_size_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size; write it like 5GB, 1\.5GB or 4GiB"):
        sizes.bytes_of(text)


@pytest.mark.parametrize("reader", READERS)
def test_more_than_a_table_holds_is_refused(reader: object) -> None:
    with pytest.raises(ValueError, match="is more than LMStrix can count"):
        reader("9" * 20)  # type: ignore[operator]


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    for reader in READERS:
        with suppress(ValueError):
            assert 0 <= reader(text) <= sizes.LARGEST
