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


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": [value]})
