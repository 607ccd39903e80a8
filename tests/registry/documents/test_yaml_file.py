"""The native structure as YAML: the same content, and texts that only look like something else stay texts."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from registry.documents import reading
from registry.documents.canonical import canonical
from registry.documents.content import Content, ModelId, Unreadable
from registry.documents.native import as_native
from registry.documents.yaml_file import as_yaml, loads
from tests.registry.documents.contents_strategy import contents

LOOKALIKES = ["yes", "no", "null", "~", "", "1", "1.0", "0x1f", "1e5", "1_000", "12:30", "2024-01-01", "=", "<<", "*a"]


def content_named(name: str) -> Content:
    return Content(models={ModelId("", "a", ""): {"name": "a", "notes": name}})


@settings(
    suppress_health_check=[HealthCheck.too_slow], phases=(Phase.reuse, Phase.generate), max_examples=40, deadline=None
)
@given(contents())
def test_any_document_reads_back_as_the_same(content: Content) -> None:
    native = canonical(as_native(content, full=True))
    assert canonical(as_native(reading.read(as_yaml(content, full=True), name="x.yaml"), full=True)) == native


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_text_that_looks_like_something_else_stays_a_text(name: Any) -> None:
    model = next(iter(reading.read(as_yaml(content_named(name))).models.values()))
    assert model["notes"] == name


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1))
def test_numbers_read_back_exactly(number: float) -> None:
    assert loads(yaml.safe_dump({"n": number}), max_values=9) == {"n": number}


def test_a_time_without_quotes_stays_a_text() -> None:
    content = reading.read(b"models:\n  a:\n    last_tested: 2024-01-15T10:30:00Z\n")
    assert next(iter(content.models.values()))["last_tested"] == "2024-01-15T10:30:00Z"


def test_a_mistake_is_told_with_line_and_column() -> None:
    with pytest.raises(Unreadable, match="line 2, column 7: is not YAML"):
        reading.read(b"models:\n  a: [}\n", name="x.yaml")
