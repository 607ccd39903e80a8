"""Canonical bytes: those of the standard library's writer, only sooner."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.documents.canonical import canonical
from tests.registry.documents.contents_strategy import json_values, text_of_any

PLAIN: Any = {"a": [[], [[]], {}, [{}, 1], "],\n  ["], "b": {"c": {"d": {}}, "": None}, "e": "},\n  {", "f": [1, [2]]}


def plainly(document: Any) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


@given(st.dictionaries(text_of_any, json_values))
def test_any_document_is_written_as_the_standard_library_does(document: Any) -> None:
    assert canonical(document) == plainly(document)


@pytest.mark.parametrize("document", [{}, PLAIN, {"many": [PLAIN] * 2_500}], ids=range(3))
def test_nested_documents_are_written_as_the_standard_library_does(document: Any) -> None:
    assert canonical(document) == plainly(document)


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.integers(2**63 - 2, 2**64 + 2)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.lists(numbers | st.lists(numbers))))
def test_any_number_is_written_as_the_standard_library_does(document: Any) -> None:
    assert canonical(document) == plainly(document)


@pytest.mark.parametrize("number", [1e-4, 9.99e-5, 1e-5, 5e-324, -1e-5, 1e15, 1e16, -1e16, 1e22, 1.7e308, -0.0, 2**200])
def test_numbers_with_an_exponent_and_beyond_64_bits_are_written_whole(number: Any) -> None:
    document = {"a": number, "b": [number, {"c": number}, []]}
    assert canonical(document) == plainly(document)


def test_every_sign_is_written_and_sorted_as_the_standard_library_does() -> None:
    signs = [chr(code) for code in range(0x11000) if not 0xD800 <= code <= 0xDFFF] + ["\U0010ffff"]
    document = {sign: sign for sign in reversed(signs)}
    assert canonical(document) == plainly(document)


@pytest.mark.parametrize("document", [{"a": "\ud800"}, {"\udfff": 1}], ids=range(2))
def test_half_a_character_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        canonical(document)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": [value]})
