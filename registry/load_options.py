"""What may be asked of a load, by LM Studio's names, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
LARGEST = 2**24  # tokens
SWITCHES = ("flash_attention", "offload_kv_cache_to_gpu")
COUNTS = {"eval_batch_size": 65_536, "num_experts": 1_024}
NAMES = (*SWITCHES, *COUNTS)
SHORT = {"kv_offload": "offload_kv_cache_to_gpu", "batch": "eval_batch_size", "experts": "num_experts"}


def asked_for(context: int | None, options: Mapping[str, Any] = NO_OPTIONS) -> dict[str, Any]:
    """The wish as it is sent and kept: without what is left open. ValueError that says what is allowed."""
    asked = {SHORT.get(name, name): value for name, value in options.items() if value is not None}
    if context is not None:
        _whole("context", context, LARGEST, " tokens")
        asked["context_length"] = context
    for name, value in asked.items():
        if name in SWITCHES and not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; use on or off.")
        if name in COUNTS:
            _whole(name, value, COUNTS[name])
        if name not in (*NAMES, "context_length"):
            raise ValueError(f"A load has no option {name!r}; it takes {', '.join(NAMES)}.")
    return asked


def _whole(name: str, value: Any, most: int, unit: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else repr(value)
        raise ValueError(f"The {name} is {shown}; use 1 to {most:,}{unit}.")
