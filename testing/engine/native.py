"""LM Studio's native REST, /api/v1: list, load, unload."""

from typing import Any

from testing.engine.budget import GRAIN, LoadSettings
from testing.engine.catalog import CatalogModel
from testing.engine.errors import invalid
from testing.engine.instance import Instance
from testing.engine.instances import Pool, default_context
from testing.engine.requests import Answer, Request

_LOAD_KEYS = (
    "model", "context_length", "eval_batch_size", "flash_attention", "num_experts", "offload_kv_cache_to_gpu",
    "echo_load_config",
)  # fmt: skip


async def list_models(pool: Pool, request: Request) -> Answer:
    """Every model with its loaded instances; never waits for an instance."""
    return Answer({"models": [describe(model, pool.of_model(model.key)) for model in pool.models.values()]})


async def load(pool: Pool, request: Request) -> Answer:
    """Load one more instance; answers when it is there."""
    body = request.json()
    body.only(*_LOAD_KEYS)
    name = body.required_text("model")
    context_length = body.integer("context_length")
    batch = body.integer("eval_batch_size", most=65_536)
    flash_attention, echo = body.flag("flash_attention", True), body.flag("echo_load_config")
    body.integer("num_experts")
    body.flag("offload_kv_cache_to_gpu")  # there is no GPU; the applied config says so
    if context_length is not None and context_length < GRAIN:
        raise invalid(f"'context_length' must be at least {GRAIN} tokens", "context_length")
    model = pool.model_named(name)
    settings = LoadSettings(context_length or default_context(model), batch or 512, flash_attention)
    instance = await pool.load(model, settings)
    answer: dict[str, Any] = {
        "type": "embedding" if model.is_embedding else "llm",
        "instance_id": instance.id,
        "load_time_seconds": round(instance.load_seconds, 3),
        "status": "loaded",
    }
    if echo:
        answer["load_config"] = applied_config(instance)
    return Answer(answer)


async def unload(pool: Pool, request: Request) -> Answer:
    """Unload one instance."""
    body = request.json()
    body.only("instance_id")
    instance_id = body.required_text("instance_id")
    await pool.unload(instance_id)
    return Answer({"instance_id": instance_id})


def applied_config(instance: Instance) -> dict[str, Any]:
    """What is really in force, read back from llama.cpp where it can differ from the request."""
    return {
        "context_length": instance.context_length,
        "eval_batch_size": instance.settings.eval_batch_size,
        "parallel": 1,
        "flash_attention": instance.settings.flash_attention,
        "offload_kv_cache_to_gpu": False,
    }


def describe(model: CatalogModel, instances: list[Instance]) -> dict[str, Any]:
    """A model in the shape of GET /api/v1/models."""
    name, bits = model.quantization
    described: dict[str, Any] = {
        "type": "embedding" if model.is_embedding else "llm",
        "publisher": model.publisher,
        "key": model.key,
        "display_name": model.display_name,
        "quantization": {"name": name, "bits_per_weight": bits},
        "size_bytes": model.metadata.file_bytes,
        "params_string": model.parameters,
        "loaded_instances": [{"id": instance.id, "config": applied_config(instance)} for instance in instances],
        "max_context_length": model.metadata.context_length,
        "format": "gguf",
    }
    if not model.is_embedding:  # LM Studio leaves both out for embeddings
        described["architecture"] = model.metadata.architecture
        described["capabilities"] = {"vision": False, "trained_for_tool_use": model.uses_tools}
    if model.description:
        described["description"] = model.description
    return described
