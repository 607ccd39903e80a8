"""The usage chunk is taken out of a stream, and nothing else, however the bytes arrive."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.gateway.usage_chunk import LONGEST, Stream, ask_for_usage

TOLD = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def event(payload: object, end: str = "\n") -> bytes:
    return f"data: {json.dumps(payload, ensure_ascii=False)}{end}{end}".encode()


def word(text: str, end: str = "\n") -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}}]}, end)


def usage(end: str = "\n") -> bytes:
    return event({"choices": [], "usage": TOLD}, end)


DONE = b"data: [DONE]\n\n"


def passed(stream: Stream, *pieces: bytes) -> bytes:
    return b"".join([*(stream.feed(piece) for piece in pieces), stream.finish()])


def test_exactly_the_usage_chunk_is_removed() -> None:
    stream = Stream(remove=True)
    assert passed(stream, word("a") + word("b") + usage() + DONE) == word("a") + word("b") + DONE
    assert (stream.usage, stream.chunks, stream.done) == (TOLD, 2, True)


def test_a_client_that_asked_for_it_gets_it() -> None:
    whole = word("a") + usage() + DONE
    stream = Stream()
    assert passed(stream, whole) == whole
    assert stream.usage == TOLD


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_three_ways(end: str) -> None:
    whole = word("a", end) + usage(end) + word("b", end)
    for cut in range(len(whole)):
        assert passed(Stream(remove=True), whole[:cut], whole[cut:]) == word("a", end) + word("b", end)


def test_byte_by_byte_it_is_the_same() -> None:
    whole = word("zażółć 🎉") + b": a comment\r\n\r\n" + usage("\r\n") + DONE
    stream = Stream(remove=True)
    assert passed(stream, *(whole[n : n + 1] for n in range(len(whole)))) == whole.replace(usage("\r\n"), b"")
    assert stream.chunks == 1


def test_an_event_goes_on_as_soon_as_it_is_whole() -> None:
    stream = Stream(remove=True)
    assert stream.feed(word("a")[:-1]) == b""
    assert stream.feed(b"\n" + word("b")) == word("a") + word("b")


def test_comments_beside_the_usage_chunk_stay() -> None:
    whole = word("a") + b": ping\n" + usage() + b": pong\n\n" + DONE
    assert passed(Stream(remove=True), whole) == word("a") + b": ping\n: pong\n\n" + DONE


@pytest.mark.parametrize(
    "payload",
    [
        {"choices": [{"delta": {"content": "x"}}], "usage": TOLD},  # usage beside an answer
        {"choices": [], "usage": None},
        {"choices": [], "prompt_filter_results": []},
        {"usage": TOLD},
        {"choices": [{"delta": {"content": '{"choices": [], "usage": {}}'}}]},
        [{"choices": [], "usage": TOLD}],
    ],
)
def test_what_only_looks_like_it_stays(payload: object) -> None:
    assert passed(Stream(remove=True), event(payload) + DONE) == event(payload) + DONE


def test_only_one_is_removed() -> None:
    assert passed(Stream(remove=True), usage() + usage()) == usage()


def test_nonsense_goes_through_as_it_came() -> None:
    for junk in (b"", b"\n\n\n", b"data: {\n\n", b"\xff\xfe\r", b"data: NaN\n\ndata: " + b"[" * 3000 + b"\n\n", b"{}"):
        assert passed(Stream(remove=True), junk) == junk


def test_an_endless_line_is_not_kept_in_memory() -> None:
    stream, piece = Stream(remove=True), b"x" * 65536
    sent = sum(len(stream.feed(piece)) for _ in range(64))
    assert sent >= 64 * 65536 - LONGEST
    assert len(stream._held) <= LONGEST
    assert passed(stream, b"\n\n" + usage() + DONE) == b"\n\n" + DONE


def test_the_last_event_needs_no_end() -> None:
    stream = Stream(remove=True)
    assert passed(stream, word("a") + usage().rstrip()) == word("a")
    assert stream.usage == TOLD


def test_tool_calls_and_thoughts_count_as_answer() -> None:
    deltas = [{"role": "assistant"}, {"reasoning_content": "hm"}, {"tool_calls": [{"index": 0}]}, {"content": ""}]
    stream = Stream()
    passed(stream, *(event({"choices": [{"delta": delta}]}) for delta in deltas))
    assert stream.chunks == 2


def test_text_is_kept_up_to_a_size() -> None:
    stream = Stream(keep=5)
    passed(stream, word("abc"), word("def"), word("ghi"))
    assert stream.text == "abcde"


PIECES = st.lists(
    st.one_of(
        st.text(max_size=8).map(word), st.text(max_size=4).map(lambda text: word(text, "\r\n")),
        st.sampled_from([b": no\n\n", b"\n", b"\r\n", b"event: x\nid: 7\ndata: {}\n\n", b"retry: 5\n\n", b"\n\r\n"]),
    ),
    max_size=8,
)  # fmt: skip


@given(PIECES, PIECES, st.sampled_from(["\n", "\r\n"]), st.integers(0, 2**32))
def test_any_stream_is_the_same_but_for_that_chunk(
    before: list[bytes], after: list[bytes], end: str, seed: int
) -> None:
    dice, head, tail = random.Random(seed), b"".join(before), b"".join([*after, DONE])
    if head.endswith((b"\n", b"\r")) and not head.endswith((b"\n\n", b"\n\r\n", b"\r\n")):
        head += b"\n"
    whole = head + usage(end) + tail
    cuts = sorted(dice.choices(range(len(whole) + 1), k=dice.randrange(12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert passed(Stream(remove=True), *pieces) == head + tail


@pytest.mark.parametrize(
    ("body", "removes"),
    [
        ({"stream": True}, True),
        ({"stream": True, "stream_options": None}, True),
        ({"stream": True, "stream_options": {"include_usage": False, "x": 1}}, True),
        ({"stream": True, "stream_options": {"include_usage": True}}, False),
        ({"stream": True, "stream_options": "nonsense"}, False),
        ({"stream": False}, False),
        ({}, False),
    ],
)
def test_usage_is_asked_for_where_a_stream_does_not(body: dict[str, Any], removes: bool) -> None:
    before = json.loads(json.dumps(body))
    assert ask_for_usage(body) is removes
    if not removes:
        assert body == before
    else:
        assert body == before | {"stream_options": {**(before.get("stream_options") or {}), "include_usage": True}}
