"""What LM Studio says, as plain values. Unknown is None: never zero, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ModelType = Literal["llm", "embedding"]
ApiVersion = Literal["v1", "v0"]
Phase = Literal["waiting", "loading", "prompt", "reasoning", "message", "done"]


@dataclass(frozen=True, slots=True)
class ReportedInstance:
    """One loaded copy of a model; `context_length` (tokens) is the one really in force."""

    id: str
    context_length: int | None = None
    eval_batch_size: int | None = None
    parallel: int | None = None
    flash_attention: bool | None = None
    num_experts: int | None = None
    offload_kv_cache_to_gpu: bool | None = None


@dataclass(frozen=True, slots=True)
class ReportedModel:
    """One downloaded model. On one server `key` and `variant` together are its identity."""

    key: str
    type: ModelType
    variant: str | None = None
    variants: tuple[str, ...] = ()
    publisher: str | None = None
    display_name: str | None = None
    architecture: str | None = None
    quantization: str | None = None
    bits_per_weight: float | None = None
    size_bytes: int | None = None
    params_string: str | None = None
    max_context_length: int | None = None
    format: str | None = None
    vision: bool | None = None
    tool_use: bool | None = None
    reasoning_options: tuple[str, ...] | None = None
    description: str | None = None
    instances: tuple[ReportedInstance, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The models of a server; `rejected` names each unusable entry, e.g. `models[3].size_bytes: must be ...`.

    `ping_seconds` runs from the request to the head of the answer. `version` is None where none is told.
    """

    models: tuple[ReportedModel, ...]
    api: ApiVersion
    ping_seconds: float
    version: str | None = None
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A finished load; `config` is what was applied, None where the server does not echo it."""

    instance_id: str
    load_seconds: float | None = None
    config: Mapping[str, Any] | None = None

    @property
    def applied_context(self) -> int | None:
        """The context in tokens that the server says it applied; list the models where this is None."""
        value = (self.config or {}).get("context_length")
        return value if type(value) is int and value > 0 else None


@dataclass(frozen=True, slots=True)
class ChatProgress:
    """One step of a running chat: `fraction` 0..1 while loading or reading the prompt, `delta` new text."""

    phase: Phase
    fraction: float | None = None
    delta: str = ""


@dataclass(frozen=True, slots=True)
class ChatResult:
    """A finished chat. `text` may be empty although tokens were used; the caller judges that.

    `output_tokens` includes `reasoning_tokens`; `raw` is the server's own result.
    """

    text: str
    reasoning_text: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    tokens_per_second: float | None = None
    ttft_seconds: float | None = None
    load_seconds: float | None = None
    instance_id: str | None = None
    raw: Mapping[str, Any] | None = None


DownloadStatus = Literal["downloading", "paused", "completed", "failed", "already_downloaded"]


@dataclass(frozen=True, slots=True)
class Download:
    """A download at the server; `job_id` is None where the model is there already. Sizes in bytes, speed per second."""

    status: DownloadStatus
    job_id: str | None = None
    total_bytes: int | None = None
    downloaded_bytes: int | None = None
    bytes_per_second: float | None = None
    error: str | None = None
