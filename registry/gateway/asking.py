"""Reads what a client asks for: the body of its request, checked, and how long the prompt is (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from registry.gateway.refusals import Refusal

ENDPOINTS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
}
# where to send a request, with which key and headers, is never the client's to say
REFUSED = frozenset(
    ("api_base", "base_url", "api_key", "api_type", "api_version", "extra_headers", "headers", "extra_query",
     "extra_body", "custom_llm_provider", "organization", "fallbacks", "model_list", "user_config")
)  # fmt: skip
CHARACTERS_PER_TOKEN = 4.0  # where none were measured
LONGEST_NAME = 1200  # of server, key and variant
MESSAGE_CHARACTERS = 16  # what a chat template puts around a message, about


@dataclass(slots=True)
class Asked:
    """A request: `characters` of all its prompts, `longest` of the longest one (each has to fit for itself)."""

    path: str
    endpoint: str
    body: dict[str, Any]
    model: str
    stream: bool
    characters: int
    longest: int
    plain: bool  # text alone: its length tells of its tokens

    def tokens(self, characters_per_token: float | None) -> int:
        """The estimated tokens of the longest prompt."""
        return round(self.longest / (characters_per_token or CHARACTERS_PER_TOKEN))

    def all_tokens(self, characters_per_token: float | None) -> int:
        """The estimated tokens of all prompts."""
        return round(self.characters / (characters_per_token or CHARACTERS_PER_TOKEN))


def read(path: str, data: bytes) -> Asked:
    """The request in `data`; Refusal (400) says what is wrong with it."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"The body is not JSON that can be read: {error}.", code="invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The body has to be a JSON object.", code="invalid_json")
    if named := REFUSED.intersection(body):
        name = min(named)
        raise Refusal(
            400, f"{name} cannot be set: LMStrix chooses the server and its key.", param=name, code="field_refused"
        )
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "Name a model in the field model.", param="model", code="model_missing")
    if len(model) > LONGEST_NAME or not model.isprintable():  # no database has to look for such
        raise Refusal(404, "There is no model of this name.", param="model", code="model_not_found")
    characters, longest, plain = _measured(ENDPOINTS[path], body)
    return Asked(path, ENDPOINTS[path], body, model, body.get("stream") is True, characters, longest, plain)


def entry(listed: bytes, name: str) -> bytes | None:
    """One model of the list of models, as an answer of its own."""
    found = next((each for each in orjson.loads(listed)["data"] if each["id"] == name), None)
    return None if found is None else orjson.dumps(found)


def _measured(endpoint: str, body: dict[str, Any]) -> tuple[int, int, bool]:
    """Characters of all prompts, of the longest, and whether that is all there is to them."""
    if endpoint == "chat":
        messages = body.get("messages")
        lengths = [_message(message) for message in messages] if isinstance(messages, list) else []
        tools = body.get("tools")
        total = sum(length for length, _ in lengths) + (len(orjson.dumps(tools)) if tools else 0)
        return total, total, not tools and all(plain for _, plain in lengths)
    prompts = body.get("prompt" if endpoint == "completions" else "input")
    if not isinstance(prompts, list) or (prompts and isinstance(prompts[0], int)):
        prompts = [prompts]
    lengths_of = [_prompt(prompt) for prompt in prompts]
    return sum(lengths_of), max(lengths_of, default=0), all(isinstance(prompt, str) for prompt in prompts)


def _prompt(prompt: object) -> int:
    if isinstance(prompt, list):  # of tokens
        return round(len(prompt) * CHARACTERS_PER_TOKEN)
    return len(prompt) if isinstance(prompt, str) else 0


def _message(message: object) -> tuple[int, bool]:
    if not isinstance(message, dict):
        return 0, False
    content = message.get("content")
    if isinstance(content, str):
        return len(content) + MESSAGE_CHARACTERS, len(message) == 2  # role and content
    total, plain = MESSAGE_CHARACTERS, True
    for part in content if isinstance(content, list) else ():
        text = part.get("text") if isinstance(part, dict) else None
        total += len(text) if isinstance(text, str) else 0
        plain = plain and isinstance(text, str)
    if calls := message.get("tool_calls"):
        total, plain = total + len(orjson.dumps(calls)), False
    return total, plain
