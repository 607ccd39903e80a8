"""Two documents of our own side by side: nothing that differs is overlooked."""

from __future__ import annotations

from typing import Any

import pytest

from registry import diffing
from registry.documents.content import Content, ModelId
from registry.documents.native import as_native, canonical
from registry.documents.two_documents import read_two

MODEL = ModelId("", "a", "")


def document(value: Any) -> bytes:
    content = Content(models={MODEL: {"name": "A", "source": "x", "extra": {"n": value}}})
    return canonical(as_native(content, full=True))


@pytest.mark.parametrize(("one", "other"), [(2**70, 2**70 + 1), (-(2**63) - 1, -(2**63) - 2), (2**63, 2**63 + 1)])
def test_whole_numbers_beyond_64_bits_are_compared_digit_by_digit(one: Any, other: Any) -> None:
    (change,) = diffing.diff(*read_two(document(one), document(other))).changes
    assert change.differences == (("extra", {"n": one}, {"n": other}),)


def test_what_is_the_same_in_both_has_nothing_but_its_name() -> None:
    first, second = read_two(document(1), document(1))
    assert first.models == second.models == {MODEL: {"name": "A"}}
