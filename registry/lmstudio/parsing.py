"""From decoded JSON to wire values. A ValueError says which part of an answer is not as promised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

from registry.lmstudio.fields import MAX_TEXT, Fields
from registry.lmstudio.wire import (
    ApiVersion,
    ChatResult,
    Download,
    DownloadStatus,
    Listing,
    LoadResult,
    ModelType,
    ReportedInstance,
    ReportedModel,
)

_TYPES: dict[str, ModelType] = {
    "llm": "llm",
    "vlm": "llm",
    "embedding": "embedding",
    "embeddings": "embedding",
}


def read_listing(body: Any, api: ApiVersion, ping_seconds: float) -> Listing:
    """All usable models; an unusable or repeated entry is named in `rejected`. ValueError for a wrong top shape."""
    name, read = ("models", _model) if api == "v1" else ("data", _v0_model)
    entries = body.get(name) if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f'it has no list "{name}"')
    models, rejected = _read_each(entries, name, read)
    version = body.get("version")
    return Listing(
        models=tuple(models.values()),
        api=api,
        ping_seconds=ping_seconds,
        version=version[:100] if isinstance(version, str) and "\0" not in version else None,
        rejected=tuple(rejected),
    )


def _read_each(
    entries: list[Any], name: str, read: Callable[[Fields], ReportedModel]
) -> tuple[dict[tuple[str, str | None], ReportedModel], list[str]]:
    models: dict[tuple[str, str | None], ReportedModel] = {}
    rejected = []
    for index, entry in enumerate(entries):
        place = f"{name}[{index}]"
        try:
            model = read(Fields.of(entry, place))
        except ValueError as error:
            rejected.append(str(error))
            continue
        if (identity := (model.key, model.variant)) in models:
            rejected.append(f"{place}: repeats {model.key}")
        else:
            models[identity] = model
    return models, rejected


def _model(fields: Fields) -> ReportedModel:
    kind = _type(fields)
    quantization = fields.child("quantization")
    abilities = fields.child("capabilities")
    vision = abilities.flag("vision")
    reasoning = abilities.child("reasoning")
    return ReportedModel(
        key=fields.required_key("key"),
        type=_TYPES[kind],
        variant=fields.key("selected_variant"),
        variants=fields.keys("variants"),
        publisher=fields.text("publisher"),
        display_name=fields.text("display_name"),
        architecture=fields.text("architecture"),
        quantization=quantization.text("name"),
        bits_per_weight=quantization.number("bits_per_weight"),
        size_bytes=fields.whole("size_bytes"),
        params_string=fields.text("params_string"),
        max_context_length=fields.whole("max_context_length"),
        format=fields.text("format"),
        vision=True if kind == "vlm" else vision,
        tool_use=abilities.flag("trained_for_tool_use"),
        reasoning_options=reasoning.keys("allowed_options") if reasoning.values else None,
        description=fields.text("description", MAX_TEXT),
        instances=tuple(_instance(each) for each in fields.children("loaded_instances")),
    )


def _instance(fields: Fields) -> ReportedInstance:
    config = fields.child("config")
    return ReportedInstance(
        id=fields.required_key("id"),
        context_length=config.whole("context_length"),
        eval_batch_size=config.whole("eval_batch_size"),
        parallel=config.whole("parallel"),
        flash_attention=config.flag("flash_attention"),
        num_experts=config.whole("num_experts"),
        offload_kv_cache_to_gpu=config.flag("offload_kv_cache_to_gpu"),
    )


def _v0_model(fields: Fields) -> ReportedModel:
    """The older list names no size and no instances: a loaded model counts as one instance called by its key."""
    kind = _type(fields)
    key = fields.required_key("id")
    loaded = fields.text("state") == "loaded"
    abilities = fields.keys("capabilities") if "capabilities" in fields.values else None
    return ReportedModel(
        key=key,
        type=_TYPES[kind],
        publisher=fields.text("publisher"),
        architecture=fields.text("arch"),
        quantization=fields.text("quantization"),
        max_context_length=fields.whole("max_context_length"),
        format=fields.text("compatibility_type"),
        vision=None if _TYPES[kind] == "embedding" else kind == "vlm",
        tool_use=None if abilities is None else "tool_use" in abilities,
        instances=(ReportedInstance(key, fields.whole("loaded_context_length")),) if loaded else (),
    )


def _type(fields: Fields) -> str:
    kind = fields.text("type")
    if kind not in _TYPES:
        raise fields.fault("type", 'must be "llm" or "embedding"', kind)
    return kind


def read_load(body: Any) -> LoadResult:
    """The answer to a load."""
    fields = Fields.of(body, "answer")
    if (status := fields.text("status")) not in (None, "loaded"):
        raise fields.fault("status", 'must be "loaded"', status)
    config = fields.child("load_config")
    config.whole("context_length")
    return LoadResult(
        instance_id=fields.required_key("instance_id"),
        load_seconds=fields.number("load_time_seconds"),
        config=dict(config.values) if config.values else None,
    )


def read_download(body: Any) -> Download:
    """The answer to the start of a download, or to the question how far it is."""
    fields = Fields.of(body, "answer")
    status = fields.text("status")
    if status not in get_args(DownloadStatus):
        raise fields.fault("status", f"must be one of {', '.join(get_args(DownloadStatus))}", status)
    known = status in ("already_downloaded", "completed")
    return Download(
        status=cast(DownloadStatus, status),
        job_id=fields.key("job_id") if known else fields.required_key("job_id"),
        total_bytes=fields.whole("total_size_bytes"),
        downloaded_bytes=fields.whole("downloaded_bytes"),
        bytes_per_second=fields.number("bytes_per_second"),
        error=fields.text("error") if isinstance(fields.values.get("error"), str) else None,
    )


def read_chat(body: Any, streamed_text: str = "", streamed_reasoning: str = "") -> ChatResult:
    """The whole result of a chat; what was streamed stands in where the result itself holds no output."""
    fields = Fields.of(body, "result")
    if "output" not in fields.values and "stats" not in fields.values:
        raise ValueError("result: has neither output nor stats")
    said: dict[str, list[str]] = {"message": [], "reasoning": []}
    for part in fields.children("output"):
        content = part.values.get("content")
        if (kind := part.text("type")) in said and isinstance(content, str):
            said[kind].append(content)
    stats = fields.child("stats")
    return ChatResult(
        text=_storable("".join(said["message"]) or streamed_text),
        reasoning_text=_storable("".join(said["reasoning"]) or streamed_reasoning),
        input_tokens=stats.whole("input_tokens"),
        output_tokens=stats.whole("total_output_tokens"),
        reasoning_tokens=stats.whole("reasoning_output_tokens"),
        tokens_per_second=stats.number("tokens_per_second"),
        ttft_seconds=stats.number("time_to_first_token_seconds"),
        load_seconds=stats.number("model_load_time_seconds"),
        instance_id=fields.key("model_instance_id"),
        raw=dict(fields.values),
    )


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # a model may say NUL; databases refuse it
