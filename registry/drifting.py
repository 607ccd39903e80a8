"""What was asked of a load against what is in force, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GRAIN = 256  # tokens: a context is rounded up to a multiple of it, and that is no drift
SWITCHES = {"flash_attention": "flash attention", "offload_kv_cache_to_gpu": "the KV cache on the GPU"}
COUNTS = {"eval_batch_size": "a batch of {:,}", "num_experts": "{:,} experts"}
LONGEST = 500


def drift(asked: Mapping[str, Any], applied: Mapping[str, Any], first: str = "") -> str:
    """How a loaded copy differs from what was asked for; empty where it does not, or nothing is known of it.

    Both hold `context_length` and load options by LM Studio's names; what is left out or None is unknown. `first` is
    the id of the copy that was there before, when this one is a second copy of the same model.
    """
    told = [_of_context(asked.get("context_length"), applied.get("context_length"))]
    told += [_of_switch(words, asked.get(name), applied.get(name)) for name, words in SWITCHES.items()]
    told += [_of_count(words, asked.get(name), applied.get(name)) for name, words in COUNTS.items()]
    told += [f"a second copy of the same model beside {first}; each takes its own memory" if first else ""]
    return "; ".join(filter(None, told))[:LONGEST]


def word(asked: Mapping[str, Any], applied: Mapping[str, Any], told: str) -> str:
    """The same in two or three words, `told` being what `drift()` says: "25 % of asked"; empty when nobody asked."""
    wanted, got = asked.get("context_length"), applied.get("context_length")
    if wanted and got and got < wanted:
        return f"{max(got * 100 // wanted, 1)} % of asked"
    if told.startswith("a second copy"):
        return "second copy"
    if told:
        return "more than asked" if wanted and got and got >= wanted + GRAIN else "other options"
    return "as asked" if asked else ""


def fits(asked: int | None, applied: int | None) -> bool:
    """Whether a copy with `applied` tokens serves who asks for `asked`; an unknown size does not."""
    return asked is None or (applied is not None and applied >= asked)


def _of_context(asked: int | None, applied: int | None) -> str:
    if not asked or not applied:
        return ""
    if applied < asked:
        return f"asked for {asked:,} tokens, the server applied {applied:,} without a word"
    if applied >= asked + GRAIN:
        return f"asked for {asked:,} tokens, the server applied {applied:,}"
    return ""


def _of_switch(words: str, asked: bool | None, applied: bool | None) -> str:
    if asked is None or applied is None or asked == applied:
        return ""
    return f"asked for {words}, which is off" if asked else f"asked for {words} off, which is on"


def _of_count(words: str, asked: int | None, applied: int | None) -> str:
    if asked is None or applied is None or asked == applied:
        return ""
    return f"asked for {words.format(asked)}, the server applied {applied:,}"
