"""What POST /api/v1/chat is asked: its fields, checked, and the conversation it goes on from."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from testing.engine.errors import invalid
from testing.engine.requests import Body

Messages = list[dict[str, str]]

_KEYS = (
    "model", "input", "system_prompt", "stream", "temperature", "top_p", "top_k", "min_p", "repeat_penalty",
    "max_output_tokens", "reasoning", "context_length", "store", "previous_response_id", "seed", "ttl",
)  # fmt: skip


@dataclass
class Conversations:
    """Stored chats by response id, in memory; the oldest go when there are too many characters."""

    most_characters: int = 20_000_000
    _chats: dict[str, Messages] = field(default_factory=dict)

    def of(self, response_id: str) -> Messages:
        """The messages up to and with that response. Raises invalid_request."""
        if response_id not in self._chats:
            raise invalid(f"No stored response '{response_id[:100]}'", "previous_response_id")
        return self._chats[response_id]

    def keep(self, messages: Messages, reply: str) -> str:
        """Store a conversation with its newest reply; its response id."""
        response_id = f"resp_{secrets.token_hex(24)}"
        self._chats[response_id] = [*messages, {"role": "assistant", "content": reply}]
        while self._characters() > self.most_characters:
            del self._chats[next(iter(self._chats))]
        return response_id

    def _characters(self) -> int:
        return sum(len(message["content"]) for chat in self._chats.values() for message in chat)


conversations = Conversations()


@dataclass(frozen=True)
class ChatRequest:
    """A checked body of /api/v1/chat."""

    model: str
    messages: Messages
    sampling: dict[str, Any]
    stream: bool
    store: bool
    context_length: int | None
    ttl: float | None

    @classmethod
    def read(cls, body: Body) -> "ChatRequest":
        """Check every field. Raises invalid_request."""
        body.only(*_KEYS)
        if body.text("reasoning") not in (None, "off"):
            raise invalid("This model does not support reasoning", "reasoning")
        sampling = {
            "temperature": body.number("temperature", 0, 1),
            "top_p": body.number("top_p", 0, 1),
            "top_k": body.integer("top_k", 0),
            "min_p": body.number("min_p", 0, 1),
            "repeat_penalty": body.number("repeat_penalty", 0, 100),
            "max_tokens": body.integer("max_output_tokens"),
            "seed": body.integer("seed", 0),
        }
        return cls(
            model=body.required_text("model"),
            messages=_messages(body),
            sampling={name: value for name, value in sampling.items() if value is not None},
            stream=body.flag("stream"),
            store=body.flag("store", True),
            context_length=body.integer("context_length", 256),
            ttl=body.number("ttl", 0),
        )


def _messages(body: Body) -> Messages:
    """The conversation so far, the system prompt, and the new input."""
    messages: Messages = []
    if (earlier := body.text("previous_response_id")) is not None:
        messages += conversations.of(earlier)
    if system_prompt := body.text("system_prompt"):
        messages = [{"role": "system", "content": system_prompt}] + [m for m in messages if m["role"] != "system"]
    return [*messages, {"role": "user", "content": _input_text(body.fields.get("input"))}]


def _input_text(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, list) or not value:
        raise invalid("'input' is required: a string, or a list of messages", "input")
    parts = []
    for item in value:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "image":
            raise invalid("This model does not support images", "input")
        if kind not in ("message", "text") or not isinstance(item.get("content"), str):
            raise invalid('Each item of \'input\' must be {"type": "message", "content": "..."}', "input")
        parts.append(item["content"])
    return "\n".join(parts)
