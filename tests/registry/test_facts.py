"""Facts that are derived from what LM Studio says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import facts
from registry.facts import Parameters
from registry.lmstudio.wire import ReportedModel


def reported(key: str, **fields: Any) -> ReportedModel:
    return ReportedModel(**({"key": key, "type": "llm"} | fields))


@pytest.mark.parametrize(
    ("key", "fields", "kind", "derived"),
    [
        ("nomic-embed-text", {"type": "embedding"}, "embedding", False),
        ("qwen2-vl-7b", {"vision": True}, "vision", False),
        ("qwen2.5-coder-7b-instruct", {}, "code", True),
        ("codellama-13b", {}, "code", True),
        ("starcoder2", {}, "code", True),
        ("some-model", {"display_name": "My Code model"}, "code", True),
        ("encoder-7b", {}, "chat", True),
        ("decoded", {}, "chat", True),
        ("llama-3-8b-base", {}, "completion", True),
        ("gemma-2b-pt", {}, "completion", True),
        ("base-instruct-7b", {}, "chat", True),
        ("database-expert", {}, "chat", True),
        ("llama-3.2-3b-instruct", {}, "chat", True),
        ("qwen-coder-vl", {"vision": True}, "vision", False),
        ("模型", {}, "chat", True),
    ],
)
def test_what_a_model_is_for(key: str, fields: dict[str, Any], kind: str, derived: bool) -> None:
    assert facts.model_type(reported(key, **fields)) == (kind, derived)


@pytest.mark.parametrize(
    ("key", "told", "parameters"),
    [
        ("x", "3.2B", Parameters("3.2B", 3_200_000_000)),
        ("x", "26B-A4B", Parameters("26B-A4B", 26_000_000_000)),
        ("x", "8x7B", Parameters("8x7B", None)),
        ("x", "large", Parameters("large", None)),
        ("llama-3.2-3b-instruct", None, Parameters("3B", 3_000_000_000, derived=True)),
        ("smollm2-135m", None, Parameters("135M", 135_000_000, derived=True)),
        ("smollm2-135m-7b", None, Parameters("7B", 7_000_000_000, derived=True)),
        ("big-1.5t", None, Parameters("1.5T", 1_500_000_000_000, derived=True)),
        ("phi-4-mini-4k", None, Parameters()),
        ("model-v0.2", None, Parameters()),
        ("q4bit", None, Parameters()),
    ],
)
def test_how_many_parameters_it_has(key: str, told: str | None, parameters: Parameters) -> None:
    assert facts.parameters(reported(key, params_string=told)) == parameters


@pytest.mark.parametrize("text", ["9" * 400 + "B", "9" * 30 + "T", "", "B", "-3B", "NaNB"])
def test_a_text_without_a_usable_number_has_none(text: str) -> None:
    assert facts.count_of(text) is None


@given(st.text(max_size=500))
def test_any_name_gives_facts_that_fit_the_table(text: str) -> None:
    model = reported(text or "x", params_string=text or None)
    kind, _ = facts.model_type(model)
    count = facts.parameters(model).count
    assert kind in {"chat", "code", "completion"}
    assert count is None or 0 <= count < 2**63
