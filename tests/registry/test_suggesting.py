"""What is suggested while a filter is typed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.filters import KEYS, parse
from registry.suggesting import VALUED, suggest

NOW = datetime(2026, 3, 15, 13, 30, tzinfo=UTC)
KNOWN = {"tag": ["llama", "chat", "my-chat"], "server": ["desk", 'a "b", c:d'], "quant": ["Q4_K_M"]}


def inserts(text: str) -> list[str]:
    return [each.insert for each in suggest(text, KNOWN, now=NOW).items]


def meaning(text: str) -> str:
    return suggest(text, KNOWN, now=NOW).items[0].meaning


@pytest.mark.parametrize("text", ["", "status:tested,", "status:tested, "])
def test_before_a_part_every_key_is_suggested(text: str) -> None:
    assert inserts(text) == [f"{key}:" for key in KEYS]


def test_a_key_is_completed() -> None:
    assert inserts("status:tested,qu") == ["quant:"]
    assert suggest("status:tested,qu", KNOWN).items[0].text == "status:tested,quant:"


def test_conditions_of_a_key_come_with_their_meaning() -> None:
    told = suggest("status:tested,size:>5GB,ctx:", KNOWN)
    assert told.title == "ctx: tested context, in tokens"
    assert [(each.insert, each.meaning) for each in told.items] == [
        ("ctx:>32768", "more than 32,768"),
        ("ctx:32k-128k", "from 32,768 to 131,072"),
        ("ctx:<=8192", "8,192 or less"),
    ]
    assert told.items[0].text == "status:tested,size:>5GB,ctx:>32768"


def test_keys_in_use_are_not_named_again() -> None:
    assert not {"status", "size", "ctx"} & set(suggest("status:tested,size:>5GB,ctx:").keys)
    assert {"is", "has", "name"} <= set(suggest("status:tested,size:>5GB,ctx:").keys)


@pytest.mark.parametrize("key", ["status", "type", "state", "has", "is"])
def test_the_only_values_of_a_key_are_all_suggested(key: str) -> None:
    assert inserts(f"{key}:") == [f"{key}:{value}" for value in KEYS[key].choices][:8]


def test_known_values_that_begin_so_come_before_those_that_hold_it() -> None:
    assert inserts("tag:ch") == ["tag:chat", "tag:my-chat"]


def test_a_value_with_signs_of_the_language_is_quoted() -> None:
    assert inserts('server:"a ') == ['server:"a ""b"", c:d"']


def test_a_part_without_a_colon_may_be_one_more_value() -> None:
    told = suggest("tag:llama,cha", KNOWN)
    assert (told.items[0].insert, told.items[0].text) == ("chat", "tag:llama,chat")
    assert told.title == "A key, or one more value"


def test_a_number_can_be_compared_in_every_way() -> None:
    assert inserts("speed:40") == ["speed:40", "speed:>40", "speed:>=40", "speed:<40", "speed:<=40"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("size:>1.5GB", "more than 1.5 GB"), ("params:7B", "exactly 7 B"), ("speed:<12.5", "less than 12.5 tokens/s"),
        ("date:30d", "within the last 30 days"), ("date:>=2024-01-01", "on or after 2024-01-01"),
        ("date:today", "today"),
        ("date:2024-01-01-2024-02-01", "from 2024-01-01 to 2024-02-01"), ("date:2024-01-05", "on 2024-01-05"),
        ("name:qwen", "contains qwen"),
    ],
)  # fmt: skip
def test_what_is_typed_is_said_in_words(text: str, said: str) -> None:
    assert meaning(text) == said


def test_an_unknown_key_is_said() -> None:
    told = suggest("colour:r", KNOWN)
    assert (told.title, told.items) == ('There is no key "colour"', ())


def test_words_that_begin_no_key_suggest_nothing() -> None:
    assert inserts("zzz") == []


SIGNS = st.sampled_from([*KEYS, *VALUED, *':,"<>=-* ', "GB", "30d", "5", "\0", "\ud800", "é", "status:", "tag:"])


@given(st.one_of(st.text(max_size=40), st.lists(SIGNS, max_size=12).map("".join)))
def test_any_text_has_suggestions_and_each_of_them_goes_on_from_it(text: str) -> None:
    for each in suggest(text, KNOWN, now=NOW).items:
        assert each.text.endswith(each.insert)


@pytest.mark.parametrize("text", [f"{key}:" for key in KEYS])
def test_a_suggested_condition_can_be_read(text: str) -> None:
    known = {key: ["a", "b, c"] for key in VALUED}
    items = suggest(text, known, now=NOW).items
    assert items
    assert all(parse(each.text, now=NOW) for each in items)
