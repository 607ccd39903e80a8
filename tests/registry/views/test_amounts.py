"""Amounts of memory as people write them."""

import pytest
from django.core.exceptions import ValidationError

from registry.forms.fields import BytesField, as_text


@pytest.mark.parametrize(
    ("text", "amount"),
    [("24 GB", 24 * 10**9), ("24gb", 24 * 10**9), ("512 MiB", 512 * 2**20), ("1,5 GB", 1_500_000_000), ("7 B", 7)],
)
def test_an_amount_is_read_in_bytes(text: str, amount: int) -> None:
    assert BytesField().clean(text) == amount


@pytest.mark.parametrize("amount", [1, 999, 24 * 10**9, 64 * 2**30, 440_401_920, 123_456_789])
def test_an_amount_is_written_so_that_it_reads_back_exactly(amount: int) -> None:
    assert BytesField().clean(as_text(amount)) == amount


@pytest.mark.parametrize("text", ["24", "GB", "1 YB", "-1 GB", "1e3 GB", "٣ GB", "99999999999 TB", "1 G\x00B"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        BytesField().clean(text)
