"""What each field of each kind of object may hold, as the tables have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.documents.checking import Check, Choice, Flag, Free, Moment, Real, Text, Whole, Words
from registry.documents.faults import Wrong, shown
from registry.naming import checked_tag

MIB = 2**20
MOST_MODELS = 250_000  # of one file
TYPES = ("chat", "code", "completion", "embedding", "vision")
STATUSES = ("untested", "testing", "tested", "failed")
NEEDS = ("tools", "vision", "reasoning")
LONGEST_KEY = 500
LONGEST_NAME = 100  # of servers, groups, profiles and tags
LONGEST_URL = 300
MOST_ITERATIONS = 2**31 - 1


class Tags(Words):
    """The tags that people gave a model, by the rules of naming."""

    def __call__(self, value: Any) -> list[str]:
        return sorted({_tag(word) for word in super().__call__(value)})


def _tag(word: str) -> str:
    try:
        return checked_tag(word)
    except ValueError as error:
        raise Wrong(f"holds {shown(word)}, which is no tag: {error}") from None


SERVER: Mapping[str, Check] = {
    "name": Text(LONGEST_NAME, needed=True),
    "enabled": Flag(default=True),
    "memory_limit_bytes": Whole(),
}

MODEL: Mapping[str, Check] = {
    "name": Text(500),
    "publisher": Text(500),
    "description": Text(),
    "type": Choice(TYPES),
    "type_derived": Flag(),
    "architecture": Text(200),
    "parameters": Text(50),
    "parameters_derived": Flag(),
    "parameter_count": Whole(),
    "quantization": Text(100),
    "bits_per_weight": Real(),
    "size_bytes": Whole(),
    "declared_context": Whole(),
    "format": Text(50),
    "vision": Flag(default=None),
    "tool_use": Flag(default=None),
    "reasoning_options": Words(ordered=True),
    "missing": Flag(),
    "source": Text(50),
    "added": Moment(),
    "updated": Moment(),
    "edited": Words(ordered=True),
    "notes": Text(),
    "favourite": Flag(),
    "pinned": Flag(),
    "tags": Tags(LONGEST_NAME),
    "extra": Free(dict),
    "tested_context": Whole(),
    "usable_context": Whole(),
    "test_status": Choice(STATUSES, default="untested"),
    "test_verdict": Text(40),
    "last_tested": Moment(),
    "test_iterations": Whole(most=MOST_ITERATIONS),
    "test_duration": Real(),
    "stale": Flag(),
    "stale_reason": Text(300),
    "tokens_per_second": Real(),
    "ttft_seconds": Real(),
    "load_seconds": Real(),
    "peak_memory_bytes": Whole(),
}

BALANCE: Mapping[str, Check] = {
    "inference_count": Whole(),
    "total_tokens_processed": Whole(),
    "total_inference_time": Real(),
    "last_used": Moment(),
    "source": Text(200),  # sha256 of the document that it came with
}

TEST: Mapping[str, Check] = {
    "created": Moment(),
    "threshold": Whole(),
    "fixed_context": Whole(),
    "force": Flag(),
    "timeout_seconds": Real(default=1800.0),
    "found": Free(),
    "put_back": Flag(),
    "phase": Text(10),
    "estimate": Whole(),
    "estimate_source": Text(200),
    "calibration": Free(),
    "verdict": Text(40),
    "tested_context": Whole(),
    "iterations": Whole(most=MOST_ITERATIONS, default=0),
    "duration": Real(),
    "recall_found": Whole(most=MOST_ITERATIONS),
    "recall_asked": Whole(most=MOST_ITERATIONS),
    "ttft_seconds": Real(),
    "tokens_per_second": Real(),
    "prefill_tokens_per_second": Real(),
    "load_seconds": Real(),
    "peak_memory_bytes": Whole(),
}

PROBE: Mapping[str, Check] = {
    "order": Whole(most=MOST_ITERATIONS),
    "kind": Text(20),
    "requested": Whole(),
    "applied": Whole(),
    "verdict": Text(40),
    "message": Text(),
    "loads": Whole(most=MOST_ITERATIONS, default=0),
    "instance_id": Text(600),
    "needed_bytes": Whole(),
    "load_seconds": Real(),
    "answer_seconds": Real(),
    "sent_tokens": Whole(),
    "input_tokens": Whole(),
    "output_tokens": Whole(),
    "ttft_seconds": Real(),
    "tokens_per_second": Real(),
    "recall_found": Whole(most=MOST_ITERATIONS),
    "recall_asked": Whole(most=MOST_ITERATIONS),
    "loaded_memory_bytes": Whole(),
    "peak_memory_bytes": Whole(),
    "started": Moment(),
    "ended": Moment(),
}

GROUP: Mapping[str, Check] = {"description": Text(), "created": Moment(), "updated": Moment()}

PROFILE: Mapping[str, Check] = {
    "description": Text(),
    "preferred_models": Words(ordered=True),
    "max_context": Whole(),
    "temperature": Real(),
    "needs": Words(ordered=True, options=NEEDS),
    "min_tested_context": Whole(),
    "min_tokens_per_second": Real(),
    "max_memory_bytes": Whole(),
    "tags": Words(ordered=True),
    "servers": Words(ordered=True),
    "created": Moment(),
    "updated": Moment(),
}
