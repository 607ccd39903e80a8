"""The rules of automatic tags, one by one; no database."""

from __future__ import annotations

from typing import Any

import pytest

from registry.autotags import LONGEST, LONGEST_REASON, Facts, derive


def tags(family: str, **facts: Any) -> list[str]:
    return [tag.name for tag in derive(Facts(**facts)) if tag.family == family]


def reason(wanted: str, /, **facts: Any) -> str:
    return next(tag.reason for tag in derive(Facts(**facts)) if tag.name == wanted)


@pytest.mark.parametrize(
    ("told", "tag"),
    [
        ("llama", "llama"), ("llama4", "llama"), ("qwen2", "qwen"), ("qwen3moe", "qwen"), ("gemma3n", "gemma"),
        ("phi3", "phi"), ("mistral3", "mistral"), ("deepseek2", "deepseek"), ("gpt-oss", "gpt-oss"),
        ("nomic-bert", "bert"), ("command-r", "command"), ("LFM2", "lfm2"), ("brand, new", "brand new"),
    ],
)  # fmt: skip
def test_an_architecture_that_is_told_gives_its_family(told: str, tag: str) -> None:
    assert tags("architecture", key="x", architecture=told) == [tag]


@pytest.mark.parametrize(
    ("key", "tag"),
    [
        ("meta/llama-3.2-3b", "llama"), ("TheBloke/CodeLlama-13B-Python", "codellama"), ("tinyllama-1.1b", "llama"),
        ("phi-3-mini-4k-instruct", "phi"), ("qwen2.5-coder", "qwen"), ("mixtral-8x7b", "mixtral"),
    ],
)  # fmt: skip
def test_an_architecture_that_is_not_told_comes_from_the_name_and_says_so(key: str, tag: str) -> None:
    assert tags("architecture", key=key) == [tag]
    assert reason(tag, key=key).startswith("Its architecture is not told; the name says ")


@pytest.mark.parametrize("key", ["delphi-7b", "alphabet", "collamat"])
def test_a_family_inside_another_word_is_no_family(key: str) -> None:
    assert tags("architecture", key=key) == []


def test_codellama_is_built_on_llama_and_is_both() -> None:
    assert tags("architecture", key="codellama-7b", architecture="llama") == ["llama", "codellama"]


def test_a_name_of_another_family_does_not_outvote_what_is_told() -> None:
    assert tags("architecture", key="llama-like-gemma", architecture="gemma3") == ["gemma"]


@pytest.mark.parametrize(
    ("count", "tag"),
    [(1, "small"), (3_999_999_999, "small"), (4 * 10**9, "medium"), (14_999_999_999, "medium"),
     (15 * 10**9, "large"), (40 * 10**9, "xl"), (10**12, "xl")],
)  # fmt: skip
def test_a_size_follows_from_the_number_of_parameters(count: int, tag: str) -> None:
    assert tags("size", parameter_count=count) == [tag]


@pytest.mark.parametrize("count", [None, 0])
def test_an_unknown_number_of_parameters_gives_no_size(count: int | None) -> None:
    assert tags("size", parameter_count=count) == []


def test_the_reason_of_a_size_says_when_the_number_is_read_from_the_name() -> None:
    facts = {"parameter_count": 3 * 10**9, "parameters": "3B", "parameters_derived": True}
    assert reason("small", **facts) == "It has 3B parameters, read from its name: fewer than 4B."


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"type": "chat", "key": "a-instruct"}, ["chat", "instruct"]), ({"type": "code"}, ["code"]),
        ({"type": "vision"}, ["chat"]), ({"type": "completion"}, ["completion"]),
        ({"type": "embedding", "key": "e5-instruct"}, ["embedding"]), ({}, []),
    ],
)  # fmt: skip
def test_types(facts: dict[str, str], expected: list[str]) -> None:
    assert tags("type", **facts) == expected


def test_capabilities_are_told() -> None:
    facts = {"vision": True, "tool_use": True, "reasoning_options": ("low", "high")}
    assert tags("capability", **facts) == ["vision", "tools", "reasoning"]
    assert reason("reasoning", **facts) == "It can reason before it answers (low, high), as told."
    assert tags("capability", vision=False, tool_use=None) == []


@pytest.mark.parametrize(
    ("facts", "tag", "why"),
    [
        ({"key": "DeepSeek-R1-7b"}, "reasoning", "The word “r1” is in its key."),
        ({"name": "Multi-lingual 7B"}, "multilingual", "The word “multi-lingual” is in its name."),
        ({"description": "For creative writing."}, "creative", "The word “creative” is in its description."),
    ],
)
def test_a_word_gives_a_capability_and_says_where_it_stands(facts: dict[str, str], tag: str, why: str) -> None:
    assert tags("capability", **facts) == [tag]
    assert reason(tag, **facts) == why


@pytest.mark.parametrize(("speed", "tag"), [(50.0, "fast"), (49.9, "balanced"), (15.0, "balanced"), (0.4, "thorough")])
def test_performance_follows_from_the_measured_speed_and_names_it(speed: float, tag: str) -> None:
    assert tags("performance", tokens_per_second=speed) == [tag]
    assert f"{speed} tokens/s" in reason(tag, tokens_per_second=speed)


@pytest.mark.parametrize("facts", [{}, {"tokens_per_second": 60.0, "stale": True}, {"tokens_per_second": 0.0}])
def test_what_was_not_measured_for_this_file_gives_no_performance(facts: dict[str, Any]) -> None:
    assert tags("performance", **facts) == []


def test_hostile_facts_give_tags_and_reasons_that_fit() -> None:
    evil = "\x00\u202e,<b>" + "ä" * 5000
    for tag in derive(Facts(key=evil, name=evil, description=evil, architecture=evil, reasoning_options=(evil,))):
        assert len(tag.name) <= LONGEST
        assert len(tag.reason) <= LONGEST_REASON
        assert tag.name.isprintable()
        assert "," not in tag.name


def test_the_same_facts_give_the_same_tags() -> None:
    facts = Facts(key="llama-3b-instruct", type="chat", parameter_count=3 * 10**9, tokens_per_second=20.0)
    assert derive(facts) == derive(facts)
    assert [tag.name for tag in derive(facts)] == ["llama", "small", "chat", "instruct", "balanced"]
