"""The filter language: what is read, and what is said of mistakes."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.filters import KEYS, BadFilter, Bounds, Condition, Expression, parse

NOW = datetime(2026, 3, 15, 13, 30, tzinfo=UTC)
DAY = datetime(2024, 1, 31, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)


def only(text: str) -> tuple[str | Bounds, ...]:
    """The values of the one condition of `text`."""
    (condition,) = parse(text, now=NOW).conditions
    return condition.values


def refusal(text: str) -> str:
    with pytest.raises(BadFilter) as refused:
        parse(text, now=NOW)
    return str(refused.value)


def test_all_conditions_are_read_in_their_order() -> None:
    assert parse("status:tested,size:>5GB,type:chat") == Expression(
        (
            Condition("status", ("tested",)),
            Condition("size", (Bounds((("gt", 5 * 10**9),)),)),
            Condition("type", ("chat",)),
        )
    )


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_filter_asks_for_nothing(text: str) -> None:
    assert parse(text) == Expression()


def test_a_part_without_a_colon_is_one_more_value() -> None:
    assert parse("tag:llama,chat,status:failed") == Expression(
        (Condition("tag", ("llama", "chat")), Condition("status", ("failed",)))
    )
    assert only("size:<1GB,>10GB") == (Bounds((("lt", 10**9),)), Bounds((("gt", 10**10),)))


def test_the_same_key_twice_is_two_conditions() -> None:
    assert len(parse("tag:llama,tag:chat").conditions) == 2


def test_words_before_any_key_are_searched_for() -> None:
    assert parse("qwen 8b, llama") == Expression((Condition("words", ("qwen 8b", "llama")),))
    assert [each.key for each in parse("qwen,status:tested").conditions] == ["words", "status"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('tag:"a,b"', "a,b"), ('tag:"a:b"', "a:b"), ('tag:"say ""hi"""', 'say "hi"'), ('tag: "x" ', "x"),
        ('"qwen3:8b"', "qwen3:8b"), ('name:qwen"3:8"b', "qwen3:8b"),
    ],
)  # fmt: skip
def test_commas_and_colons_stand_in_double_quotes(text: str, value: str) -> None:
    assert only(text) == (value,)


def test_keys_choices_and_spaces_are_taken_as_people_type_them() -> None:
    assert parse(" Status : Tested , SIZE: > 5 gb ") == parse("status:tested,size:>5GB")
    assert only("is:favorite") == ("favourite",)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("size:<=1.5GB", (("lte", 1_500_000_000),)),
        ("size:1GB-10GB", (("gte", 10**9), ("lte", 10**10))),
        ("size:2GiB", (("exact", 2**31),)),
        ("ctx:>=32k", (("gte", 32_768),)),
        ("ctx:16384-65536", (("gte", 16_384), ("lte", 65_536))),
        ("declared:=4096", (("exact", 4096),)),
        ("params:>7B", (("gt", 7 * 10**9),)),
        ("speed:<12.5", (("lt", 12.5),)),
        ("date:2024-01-31", (("gte", DAY), ("lt", NEXT))),
        ("date:=2024-01-31", (("gte", DAY), ("lt", NEXT))),
        ("date:>2024-01-31", (("gte", NEXT),)),
        ("date:>=2024-01-31", (("gte", DAY),)),
        ("date:<2024-01-31", (("lt", DAY),)),
        ("date:<=2024-01-31", (("lt", NEXT),)),
        ("date:2024-01-31-today", (("gte", DAY), ("lt", datetime(2026, 3, 16, tzinfo=UTC)))),
        ("date:Today", (("gte", datetime(2026, 3, 15, tzinfo=UTC)), ("lt", datetime(2026, 3, 16, tzinfo=UTC)))),
        ("date:<yesterday", (("lt", datetime(2026, 3, 14, tzinfo=UTC)),)),
        ("date:30d", (("gte", NOW - timedelta(days=30)),)),
        ("date:12h", (("gte", NOW - timedelta(hours=12)),)),
        ("date:2w", (("gte", NOW - timedelta(days=14)),)),
    ],
)
def test_amounts_and_days_become_limits(text: str, limits: object) -> None:
    assert only(text) == (Bounds(limits),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour:red", 'colour:red: there is no key "colour"; the keys are name, status, size'),
        ("qwen3:8b", "A text with a colon stands in double quotes."),
        (":x", 'there is no key ":"'),
        ("status:done", "status:done: status is one of tested, untested, testing, failed."),
        ("has:wings", "has is one of vision, tools, reasoning."),
        ("size:>5XB", 'size:>5XB: "5XB" is not a size; write it like 5GB, 1.5GB or 4GiB. size takes >5GB, <=1.5GB'),
        ("size:10GB-1GB", "size:10GB-1GB: the range ends below its start."),
        ("ctx:5-", 'ctx:5-: "" is not a number of tokens'),
        ("ctx:" + "9" * 25, "is more than LMStrix can count"),
        ("date:2024-02-30", '"2024-02-30" is not a day; write it like 2024-01-31.'),
        ("date:9999-12-31", "is not a day"),
        ("date:>30d", '"30d" is not a day'),
        ("date:today-yesterday", "the range ends before its start"),
        ("status:tested,size:", "size: needs a value, such as >5GB"),
        ("status:tested,", "There is nothing before or after one of the commas"),
        (",status:tested", "There is nothing before or after one of the commas"),
        ('tag:"a', "a double quote is not closed"),
        ("a" * 2001, "2,001 characters; at most 2,000"),
        ("tag:" + "a," * 100 + "a", "101 parts; at most 100"),
        ("name:a\0b", "characters in it that are no text"),
        ("name:\ud800", "characters in it that are no text"),
    ],
)
def test_a_mistake_is_one_message_with_the_part_and_what_is_allowed(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_long_part_is_cut_in_the_message() -> None:
    assert len(refusal("size:" + "x" * 1500)) < 250


@pytest.mark.parametrize(("key", "about"), KEYS.items())
def test_the_examples_of_every_key_can_be_read(key: str, about: object) -> None:
    assert only(f"{key}:{KEYS[key].examples}")


SIGNS = st.sampled_from([*KEYS, *':,"<>=-* ', "GB", "30d", "today", "5", "٣", "\0", "\ud800", "é", "9" * 40, "status:"])


@given(st.one_of(st.text(max_size=60), st.lists(SIGNS, max_size=15).map("".join)))
def test_any_text_is_an_expression_or_a_bad_filter(text: str) -> None:
    with suppress(BadFilter):
        assert isinstance(parse(text, now=NOW), Expression)
