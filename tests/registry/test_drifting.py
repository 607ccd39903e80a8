"""What was asked of a load against what is in force, in words."""

from __future__ import annotations

from typing import Any

import pytest

from registry.drifting import drift, fits, word

FULL = {"context_length": 8192, "flash_attention": True, "offload_kv_cache_to_gpu": True, "eval_batch_size": 512}


@pytest.mark.parametrize(
    ("asked", "applied", "told"),
    [
        ({}, FULL, ""),
        (FULL, {}, ""),
        (FULL, FULL, ""),
        ({"context_length": 65_536}, {"context_length": 6553},
         "asked for 65,536 tokens, the server applied 6,553 without a word"),
        ({"context_length": 40_000}, {"context_length": 40_192}, ""),  # rounded up to its grain
        ({"context_length": 4096}, {"context_length": 131_072},
         "asked for 4,096 tokens, the server applied 131,072"),
        ({"flash_attention": True}, {"flash_attention": False}, "asked for flash attention, which is off"),
        ({"offload_kv_cache_to_gpu": False}, FULL, "asked for the KV cache on the GPU off, which is on"),
        ({"eval_batch_size": 2048}, FULL, "asked for a batch of 2,048, the server applied 512"),
        ({"num_experts": 4}, FULL, ""),
    ],
)  # fmt: skip
def test_a_drift_is_told_with_both_figures(asked: dict[str, Any], applied: dict[str, Any], told: str) -> None:
    assert drift(asked, applied) == told


def test_several_drifts_are_told_together() -> None:
    asked = {"context_length": 9000, "flash_attention": False}
    assert drift(asked, FULL).count(";") == 1


def test_a_second_copy_is_a_drift_whatever_was_asked() -> None:
    assert drift({}, FULL, first="qwen") == "a second copy of the same model beside qwen; each takes its own memory"


def test_it_is_never_longer_than_its_column() -> None:
    assert len(drift({}, {}, first="x" * 600)) == 500


@pytest.mark.parametrize(
    ("asked", "applied", "good"), [(None, None, True), (None, 5, True), (5, None, False), (5, 4, False), (5, 5, True)]
)
def test_an_unknown_size_serves_only_who_asks_for_none(asked: int | None, applied: int | None, good: bool) -> None:
    assert fits(asked, applied) is good


@pytest.mark.parametrize(
    ("asked", "applied", "short"),
    [
        ({}, FULL, ""),
        (FULL, FULL, "as asked"),
        ({"context_length": 16_384}, {"context_length": 4096}, "25 % of asked"),
        ({"context_length": 65_536}, {"context_length": 2}, "1 % of asked"),
        ({"context_length": 4096}, {"context_length": 8192}, "more than asked"),
        ({"flash_attention": False}, FULL, "other options"),
    ],
)
def test_the_ledger_says_it_in_a_word(asked: dict[str, Any], applied: dict[str, Any], short: str) -> None:
    assert word(asked, applied, drift(asked, applied)) == short
