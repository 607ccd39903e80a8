"""The OpenAI-compatible endpoints, /v1: models, chat completions, completions, embeddings."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

from testing.engine.errors import EngineError, invalid
from testing.engine.instance import Instance
from testing.engine.instances import Pool
from testing.engine.native_chat import chunks
from testing.engine.requests import Answer, Body, Request, Stream, frame

_FORWARDED = (
    "messages", "prompt", "temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens", "stop", "seed",
    "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "tools", "tool_choice",
    "response_format", "suffix",
)  # fmt: skip

Dress = Callable[[Instance, dict[str, Any], dict[str, Any]], dict[str, Any]]


async def list_models(pool: Pool, request: Request) -> Answer:
    """Every model, since just-in-time loading is always on."""
    data = [{"id": key, "object": "model", "owned_by": "organization_owner"} for key in pool.models]
    return Answer({"object": "list", "data": data})


async def chat_completions(pool: Pool, request: Request) -> Answer | Stream:
    """Chat with a list of messages."""
    return await complete(pool, request, "/v1/chat/completions", undressed)


async def completions(pool: Pool, request: Request) -> Answer | Stream:
    """Continue a text."""
    return await complete(pool, request, "/v1/completions", undressed)


async def embeddings(pool: Pool, request: Request) -> Answer:
    """Vectors for texts, by a model that makes them. Usage reads 0, as LM Studio's does."""
    body = request.json()
    texts = body.fields.get("input")
    if not texts or not isinstance(texts, str | list):
        raise invalid("'input' is required: a string, or a list of strings", "input")
    model = pool.model_named(requested_model(pool, body))
    if not model.is_embedding:
        raise invalid(f'Model "{model.key}" is not an embedding model: it makes text, not vectors', "model")
    instance = await ready_instance(pool, body)
    answer = await instance.answer("/v1/embeddings", {"input": texts, "encoding_format": "float"})
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return Answer({"object": "list", "data": answer["data"], "model": instance.id, "usage": usage})


async def complete(pool: Pool, request: Request, path: str, dress: Dress) -> Answer | Stream:
    """Generate text with llama.cpp's own endpoint at `path`; `dress` gives each answer or chunk its outer shape."""
    body = request.json()
    stream = body.flag("stream")
    needed = "messages" if path.endswith("chat/completions") else "prompt"
    if not body.fields.get(needed):
        raise invalid(f"'{needed}' is required", needed)
    forwarded = {name: body.fields[name] for name in _FORWARDED if body.fields.get(name) is not None}
    if (most := body.integer("max_completion_tokens", -1)) is not None:
        forwarded.setdefault("max_tokens", most)
    model = pool.model_named(requested_model(pool, body))
    if model.is_embedding:
        raise invalid(f'Model "{model.key}" is an embedding model: it makes vectors, not text', "model")
    if stream:
        return Stream(_stream(pool, body, path, forwarded, dress))
    instance = await ready_instance(pool, body)
    answer = await instance.answer(path, forwarded)
    return Answer(dress(instance, answer, answer.pop("timings", {})))


async def _stream(
    pool: Pool, body: Body, path: str, forwarded: dict[str, Any], dress: Dress
) -> AsyncGenerator[bytes, None]:
    options = body.fields.get("stream_options")
    usage_wanted = isinstance(options, dict) and options.get("include_usage") is True
    instance = await ready_instance(pool, body)
    asked = forwarded | {"stream": True, "stream_options": {"include_usage": True}}
    begun = False
    try:
        async with instance.request(path, asked) as response:
            async for chunk in chunks(response):
                timings = chunk.pop("timings", {})
                if not chunk.get("choices") and not usage_wanted and dress is undressed:
                    continue  # the chunk that only carries usage
                if not usage_wanted:
                    chunk.pop("usage", None)
                begun = True
                yield frame(dress(instance, chunk, timings))
    except EngineError as error:
        if not begun:
            raise
        yield frame({"error": error.as_object()}, "error")
    yield b"data: [DONE]\n\n"


def undressed(instance: Instance, answer: dict[str, Any], timings: dict[str, Any]) -> dict[str, Any]:
    """The plain OpenAI shape."""
    return answer | {"model": instance.id, "system_fingerprint": instance.id}


def requested_model(pool: Pool, body: Body) -> str:
    """The `model` of a body; where it names none, what is loaded."""
    name = body.text("model")
    if name:
        return name
    if not pool.instances:
        raise invalid("No models loaded. Please load a model, or name one in 'model'.", "model")
    return next(iter(pool.instances))


async def ready_instance(pool: Pool, body: Body) -> Instance:
    """The instance that serves the request, loaded just in time where there is none."""
    name, ttl = requested_model(pool, body), body.number("ttl", 0)
    return (await pool.load_just_in_time(name, ttl=ttl))[0]
