"""Decoding server-sent events from bytes in any portions."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.lmstudio.sse import Decoder, Event

STREAM = b': hi\nevent: a\ndata: {"x":\ndata: 1}\n\nevent: b\r\ndata:2\r\n\r\nid: 7\n\ndata: 3\n\nevent: c\ndata: cut'
EVENTS = [Event("a", b'{"x":\n1}'), Event("b", b"2"), Event("", b"3")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_portions_make_no_difference(cuts: Any) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    decoder = Decoder()
    portions = [STREAM[start:end] for start, end in itertools.pairwise(edges)]
    assert [event for portion in portions for event in decoder.feed(portion)] == EVENTS


def test_a_line_too_long_is_refused() -> None:
    decoder = Decoder(max_line=1000)
    with pytest.raises(ValueError, match="larger than 1,000"):
        [list(decoder.feed(b"x" * 100)) for _ in range(50)]


def test_an_event_of_too_many_lines_is_refused_in_linear_time() -> None:
    decoder, started = Decoder(max_line=100_000), time.perf_counter()
    with pytest.raises(ValueError, match="larger than"):
        list(decoder.feed(b"data:\n" * 200_000))
    assert time.perf_counter() - started < 1
