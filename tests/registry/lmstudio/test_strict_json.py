"""JSON that is refused although Python would take it, and JSON that must pass."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.lmstudio import strict_json

NESTED = b"[" * 100 + b"]" * 100


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"NaN", "NaN"), (b"[Infinity]", "Infinity"), (b"-Infinity", "-Infinity"), (b"1e400", "out of range"),
        (b"9223372036854775808", "64 bits"), (b"9" * 5000, "64 bits"), (b"1." + b"1" * 5000, "out of range"),
        (b'{"a": 1, "a": 2}', "same key twice"), (b'{"x": {"a": 1, "a": 1}}', "same key twice"),
        (b"[" + NESTED + b"]", "deeper than 100"), (b"[" * 1_000_000, "deeper than 100"),
        (b'{"a":' * 300_000, "deeper than 100"), (b"[" * 3_000_000, "2,000,000 values"),
        (b"[" + b"1," * 2_000_001 + b"1]", "2,000,000 values"),
        (b'"\\ud83d"', "half a character"), (b'"\\udc00\\ud800"', "half a character"), (b'"\\ud83dx"', "half"),
        (b'"\xed\xa0\x80"', "UTF-8"), (b'"\xff"', "UTF-8"), (b"", "not JSON"), (b"{", "not JSON"), (b"1 2", "not JSON"),
        (b"\xef\xbb\xbf1", "JSON"), (b'"\x00"', "not JSON"),
    ],
    ids=range(24),
)  # fmt: skip
def test_what_is_not_json_is_refused_with_the_reason(data: Any, reason: Any) -> None:
    with pytest.raises(ValueError, match=reason):
        strict_json.loads(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud83d"', "\\ud83d"),
        (b"9223372036854775807", 2**63 - 1),
        (b"-1.5e3", -1500.0),
        (b' {"a": [null, true]} ', {"a": [None, True]}),
        (b'"' + b"[" * 500 + b'"', "[" * 500),
    ],
)
def test_good_json_passes(data: Any, value: Any) -> None:
    assert strict_json.loads(data) == value


def test_a_hundred_levels_pass() -> None:
    assert strict_json.loads(NESTED)


def test_a_refusal_of_too_many_values_builds_nothing() -> None:
    data = b"[" + b"[]," * 3_000_000 + b"1]"
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(ValueError, match="values"):
        strict_json.loads(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (peak < 100_000, time.perf_counter() - started < 1) == (True, True)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_a_value_error(data: Any) -> None:
    with contextlib.suppress(ValueError):
        strict_json.loads(data)
