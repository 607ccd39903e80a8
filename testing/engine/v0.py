"""LM Studio's older REST, /api/v0: the OpenAI shapes with `stats`, `model_info` and `runtime`."""

import importlib.metadata
from typing import Any

from testing.engine import openai
from testing.engine.catalog import CatalogModel
from testing.engine.errors import model_not_found
from testing.engine.instance import Instance
from testing.engine.instances import Pool
from testing.engine.requests import Answer, Request, Stream

_STOP_REASONS = {"stop": "eosFound", "length": "maxPredictedTokensReached", "tool_calls": "toolCalls"}


async def list_models(pool: Pool, request: Request) -> Answer:
    """Every model; without sizes, as LM Studio does."""
    return Answer({"object": "list", "data": [_describe(pool, model) for model in pool.models.values()]})


async def show_model(pool: Pool, request: Request) -> Answer:
    """One model by its key."""
    key = request.path.removeprefix("/api/v0/models/")
    if key not in pool.models:
        raise model_not_found(key)
    return Answer(_describe(pool, pool.models[key]))


async def chat_completions(pool: Pool, request: Request) -> Answer | Stream:
    """Chat with a list of messages."""
    return await openai.complete(pool, request, "/v1/chat/completions", _with_stats)


async def completions(pool: Pool, request: Request) -> Answer | Stream:
    """Continue a text."""
    return await openai.complete(pool, request, "/v1/completions", _with_stats)


async def embeddings(pool: Pool, request: Request) -> Answer:
    """Vectors for texts, by a model that makes them."""
    return await openai.embeddings(pool, request)


def _describe(pool: Pool, model: CatalogModel) -> dict[str, Any]:
    loaded = pool.of_model(model.key)
    described: dict[str, Any] = {
        "id": model.key,
        "object": "model",
        "type": "embeddings" if model.is_embedding else "llm",
        "publisher": model.publisher,
        "arch": model.metadata.architecture,
        "compatibility_type": "gguf",
        "quantization": model.quantization[0],
        "state": "loaded" if loaded else "not-loaded",
        "max_context_length": model.metadata.context_length,
    }
    if loaded:
        described["loaded_context_length"] = loaded[0].context_length
    return described


def _with_stats(instance: Instance, answer: dict[str, Any], timings: dict[str, Any]) -> dict[str, Any]:
    dressed = openai.undressed(instance, answer, timings)
    if not timings:  # a chunk in the middle of a stream
        return dressed
    choices = answer.get("choices") or [{}]
    prompt, generation = timings.get("prompt_ms", 0.0) / 1000, timings.get("predicted_ms", 0.0) / 1000
    metadata = instance.model.metadata
    return dressed | {
        "stats": {
            "tokens_per_second": timings.get("predicted_per_second") or 0.0,
            "time_to_first_token": prompt,
            "generation_time": generation,
            "stop_reason": _STOP_REASONS.get(choices[0].get("finish_reason") or "stop", "eosFound"),
        },
        "model_info": {
            "arch": metadata.architecture,
            "quant": instance.model.quantization[0],
            "format": "gguf",
            "context_length": instance.context_length,
        },
        "runtime": {"name": "llama.cpp (xllamacpp)", "version": importlib.metadata.version("xllamacpp")},
    }
