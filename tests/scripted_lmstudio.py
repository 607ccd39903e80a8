"""An LM Studio for tests: behaves like the real one until told otherwise, at the wire, on a free loopback port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.scripted_http import Reply, Request, ScriptedServer, Steps, answer, event, head

CHAT, LOAD, UNLOAD = "POST /api/v1/chat", "POST /api/v1/models/load", "POST /api/v1/models/unload"
LIST, OLD_LIST = "GET /api/v1/models", "GET /api/v0/models"


def model(key: str = "qwen3-4b", **fields: Any) -> dict[str, Any]:
    """One entry of `GET /api/v1/models` as LM Studio writes it; `fields` replace or add."""
    return {
        "type": "llm",
        "publisher": "scripted",
        "key": key,
        "display_name": key.title(),
        "architecture": "qwen3",
        "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
        "size_bytes": 2_500_000_000,
        "params_string": "4B",
        "loaded_instances": [],
        "max_context_length": 131_072,
        "format": "gguf",
        "capabilities": {"vision": False, "trained_for_tool_use": True},
        "description": None,
    } | fields


@dataclass
class Behaviour:
    """What the server does where nothing is scripted; change it at any time.

    `limit`: contexts above it (tokens, per key in `limits`) are refused with LM Studio's guardrail sentence, which
    names `gb_at(context)` gigabytes. `applied(context)` is the context really loaded. `fill_limit`: longer prompts
    get the empty stream with usage of trap 6. `count_tokens(text)` is what a prompt counts, `says(text)` the answer.
    `delays` holds seconds of silence per request line, `prompt_seconds` the time between the progress events of a
    chat, `token_seconds` between its words.
    """

    token: str | None = None
    limit: int | None = None
    limits: dict[str, int] = field(default_factory=dict)
    default_context: int = 4096
    gb_at: Callable[[int], float] = lambda context: 3.0 + context * 0.0001
    applied: Callable[[int], int] = lambda context: context
    fill_limit: int | None = None
    count_tokens: Callable[[str], int] = lambda text: 8 + (len(text) + 3) // 4
    says: Callable[[str], str] = lambda text: "Hello from the scripted model."
    delays: dict[str, float] = field(default_factory=dict)
    prompt_seconds: float = 0
    token_seconds: float = 0


class ScriptedLMStudio(ScriptedServer):
    """A scripted server (see `ScriptedServer` for `url`, `requests`, `calls`, `script`, `unscript`, `stop`) that lists,
    loads, unloads and chats by itself.

        with ScriptedLMStudio([model("qwen"), model("gemma")], limit=32_768) as studio:
            studio.models[0]["size_bytes"] = 5          # the list is live: change, add, remove
            studio.behaviour.applied = lambda n: n // 2  # see `Behaviour`; its fields are keywords here too
            studio.instances()                           # ["qwen"] after a load of it
            studio.script(LOAD, answer({"error": "x"}, 500))
            studio.script(CHAT, stream(event("chat.start"), HANG))

    Names of request lines: LIST, OLD_LIST, LOAD, UNLOAD, CHAT. A second load of a model makes `key:2`; a chat with a
    model that is not loaded loads it just in time; unknown paths get LM Studio's 200 with an error body.
    """

    def __init__(self, models: list[dict[str, Any]] | None = None, **behaviour: Any) -> None:
        super().__init__()
        self.models = [model()] if models is None else models
        self.behaviour = Behaviour(**behaviour)

    def instances(self) -> list[str]:
        """The ids of all loaded instances."""
        return [instance["id"] for each in self.models for instance in each["loaded_instances"]]

    def put(self, key: str, context: int) -> str:
        """Load an instance as if somebody else had; gives its id."""
        loaded = self._model(key)["loaded_instances"]
        instance_id = key if not loaded else f"{key}:{len(loaded) + 1}"
        config = {"context_length": context, "eval_batch_size": 512, "parallel": 4, "flash_attention": True}
        loaded.append({"id": instance_id, "config": config | {"offload_kv_cache_to_gpu": True}})
        return instance_id

    def drop(self, instance_id: str) -> bool:
        """Unload an instance as if somebody else had; False where there is none of this id."""
        for each in self.models:
            kept = [instance for instance in each["loaded_instances"] if instance["id"] != instance_id]
            if len(kept) < len(each["loaded_instances"]):
                each["loaded_instances"] = kept
                return True
        return False

    def respond(self, request: Request) -> Reply:
        """LM Studio's answer, after the silence that `delays` asks for."""
        respond = {LIST: self._list, OLD_LIST: self._old_list, LOAD: self._load}.get(request.line)
        respond = respond or {UNLOAD: self._unload, CHAT: self._chat}.get(request.line)
        token = self.behaviour.token
        if respond is None:
            return answer({"error": f"Unexpected endpoint or method. ({request.line})"})
        if token and request.headers.get("authorization") != f"Bearer {token}":
            return _refusal("invalid_request", "Invalid API key provided.", 401, code="invalid_api_key")
        return self._delayed(request.line, lambda: respond(request))

    def _delayed(self, line: str, respond: Callable[[], Steps]) -> Steps:
        if seconds := self.behaviour.delays.get(line, 0):
            yield float(seconds)  # a client that leaves meanwhile never gets as far as the effect
        yield from respond()

    def _model(self, key: str) -> dict[str, Any]:
        return next(each for each in self.models if each["key"] == key)

    def _list(self, _: Request) -> Steps:
        return _whole({"models": self.models})

    def _old_list(self, _: Request) -> Steps:
        return _whole({"object": "list", "data": [_old(each) for each in self.models]})

    def _load(self, request: Request) -> Steps:
        key = request.json["model"]
        if all(each["key"] != key for each in self.models):
            return _refusal("model_not_found", f"Model '{key}' not found.", 404)
        context = request.json.get("context_length") or self.behaviour.default_context
        limit = self.behaviour.limits.get(key, self.behaviour.limit)
        if limit is not None and context > limit:
            return _refusal("model_load_failed", _guardrail(self.behaviour.gb_at(context)), 500)
        instance_id = self.put(key, self.behaviour.applied(context))
        body = {"type": "llm", "instance_id": instance_id, "load_time_seconds": 0.01, "status": "loaded"}
        if request.json.get("echo_load_config"):
            body["load_config"] = self._model(key)["loaded_instances"][-1]["config"]
        return _whole(body)

    def _unload(self, request: Request) -> Steps:
        instance_id = request.json["instance_id"]
        if self.drop(instance_id):
            return _whole({"instance_id": instance_id})
        return _refusal("model_not_found", f"No loaded instance '{instance_id}' found.", 404)

    def _chat(self, request: Request) -> Steps:
        name, text = request.json["model"], request.json["input"]
        if name not in self.instances():
            if all(each["key"] != name for each in self.models):
                return _refusal("model_not_found", f"Model '{name}' not found.", 404)
            self.put(name, self.behaviour.applied(self.behaviour.default_context))
        context = next(
            instance["config"]["context_length"]
            for each in self.models
            for instance in each["loaded_instances"]
            if instance["id"] == name
        )
        tokens = self.behaviour.count_tokens(text)
        if tokens >= context:
            message = f"request ({tokens} tokens) exceeds the available context size ({context} tokens)"
            return _refusal("invalid_request", f"{message}, try increasing it", 400)
        fails = self.behaviour.fill_limit is not None and tokens > self.behaviour.fill_limit
        said = "" if fails else self.behaviour.says(text)
        if request.json.get("stream"):
            return self._streamed(name, tokens, said)
        return _whole(_result(name, tokens, said))

    def _streamed(self, name: str, tokens: int, said: str) -> Steps:
        yield head(200, {"Content-Type": "text/event-stream"})
        yield event("chat.start", model_instance_id=name)
        yield event("prompt_processing.start")
        for progress in (0.0, 0.25, 0.5, 0.75, 1.0):
            yield event("prompt_processing.progress", progress=progress)
            yield self.behaviour.prompt_seconds
        yield event("prompt_processing.end")
        yield event("message.start")
        for word in said.split(" ") if said else ():
            yield event("message.delta", content=word + " ")
            yield self.behaviour.token_seconds
        yield event("message.end")
        yield event("chat.end", result=_result(name, tokens, said))


def _result(name: str, tokens: int, said: str) -> dict[str, Any]:
    return {
        "model_instance_id": name,
        "output": [{"type": "message", "content": said}] if said else [],
        "stats": {
            "input_tokens": tokens,
            "total_output_tokens": (len(said) + 3) // 4,
            "reasoning_output_tokens": 0,
            "tokens_per_second": 50.0,
            "time_to_first_token_seconds": 0.05,
        },
    }


def _whole(body: Any, status: int = 200) -> Steps:
    return [answer(body, status)]


def _refusal(kind: str, message: str, status: int, **fields: str) -> Steps:
    return _whole({"error": {"type": kind, "message": message, **fields}}, status)


def _guardrail(gigabytes: float) -> str:
    return (
        "Model loading was stopped due to insufficient system resources. Under the current settings, this model "
        f"requires approximately {gigabytes:.2f} GB of memory. Continuing to load the model would likely overload your "
        "system and cause it to freeze."
    )


def _old(entry: dict[str, Any]) -> dict[str, Any]:
    loaded = entry["loaded_instances"]
    kind = "vlm" if (entry.get("capabilities") or {}).get("vision") else entry["type"]
    return {
        "id": entry["key"],
        "object": "model",
        "type": "embeddings" if kind == "embedding" else kind,
        "publisher": entry["publisher"],
        "arch": entry.get("architecture"),
        "compatibility_type": entry["format"],
        "quantization": (entry.get("quantization") or {}).get("name"),
        "state": "loaded" if loaded else "not-loaded",
        "max_context_length": entry["max_context_length"],
    } | ({"loaded_context_length": loaded[0]["config"]["context_length"]} if loaded else {})
