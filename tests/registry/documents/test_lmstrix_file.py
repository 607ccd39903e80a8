"""The LMStrix command-line tool's file: everything in it comes back, and what changed here is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.documents.content import Content, ModelId, Unreadable
from registry.documents.lmstrix_file import as_lmstrix, from_lmstrix
from registry.documents.native import as_native, canonical, from_native
from tests.registry.documents.contents_strategy import json_values, keys, text_of_any, times

entries = st.fixed_dictionaries(
    {},
    optional={
        "id": keys | st.none(),
        "path": text_of_any,
        "size_bytes": st.none() | st.integers(0, 2**63 - 1),
        "ctx_in": st.none() | st.integers(0, 10**9),
        "has_tools": st.none() | st.booleans(),
        "tested_max_context": st.none() | st.integers(0, 10**9),
        "context_test_status": st.sampled_from(["untested", "testing", "completed", "failed"]),
        "context_test_date": st.none() | times.map(lambda told: told and told.removesuffix("Z")),
        "tps": st.none() | st.integers(0, 10**9) | st.floats(0, 1e9),
        "keywords": st.none() | st.lists(text_of_any.filter(bool), max_size=3),
        "failed": st.booleans(),
        "error_msg": st.none() | text_of_any,
        "anything": json_values,
    },
)
files = st.builds(
    lambda beside, llms: {**beside, "llms": llms},
    st.dictionaries(text_of_any, json_values, max_size=2),
    st.dictionaries(keys, entries, max_size=4),
)
ENTRY = {"id": "a", "path": "x/a", "ctx_in": 4096, "context_test_status": "completed", "tested_max_context": 2048,
         "context_test_date": "2026-01-02T03:04:05.678901", "tps": 12, "keywords": ["fun"], "odd": [1]}  # fmt: skip


def only(content: Content) -> dict[str, Any]:
    return next(iter(content.models.values()))


@settings(deadline=None)
@given(files)
def test_every_field_and_value_of_a_file_comes_back(file: Any) -> None:
    kept = from_native(as_native(from_lmstrix(file), full=True))
    assert as_lmstrix(kept) == file


def test_what_is_known_becomes_facts_and_results() -> None:
    content = from_lmstrix({"llms": {"x/a": ENTRY}})
    fields = only(content)
    assert list(content.models) == [ModelId("", "a", "")]
    assert (fields["declared_context"], fields["tested_context"], fields["test_status"]) == (4096, 2048, "tested")
    assert (fields["last_tested"], fields["tags"]) == ("2026-01-02T03:04:05.678901Z", ["fun"])


def test_a_keyword_that_can_be_no_tag_stays_in_its_entry() -> None:
    content = from_lmstrix({"llms": {"x/a": ENTRY | {"keywords": ["a,b", "fun"]}}})
    assert only(content)["tags"] == ["fun"]
    assert as_lmstrix(content)["llms"]["x/a"]["keywords"] == ["a,b", "fun"]


def test_only_what_changed_since_is_written_anew() -> None:
    content = from_lmstrix({"llms": {"x/a": ENTRY}})
    only(content).update(tested_context=1024, tags=["fun", "qa"])
    written = as_lmstrix(content)["llms"]["x/a"]
    assert written == {**ENTRY, "tested_max_context": 1024, "keywords": ["fun", "qa"]}


def test_a_model_from_elsewhere_gets_an_entry_of_its_own() -> None:
    fields = {"size_bytes": 5, "test_status": "tested", "last_tested": "2026-01-01T00:00:00Z", "tags": ["qa"]}
    entry = as_lmstrix(Content(models={ModelId("", "b", ""): fields}))["llms"]["b"]
    assert (entry["id"], entry["size_bytes"], entry["context_test_status"]) == ("b", 5, "completed")
    assert (entry["context_test_date"], entry["keywords"], entry["failed"]) == ("2026-01-01T00:00:00", ["qa"], False)


def test_a_fault_is_told_with_its_place() -> None:
    with pytest.raises(Unreadable, match=r'llms\["a"\]\.ctx_in: must be a number, got "big"'):
        from_lmstrix({"llms": {"a": {"ctx_in": "big"}}})


def test_the_file_is_written_in_the_canonical_form() -> None:
    assert canonical(as_lmstrix(Content())) == b'{\n  "llms": {}\n}\n'
