"""The state of one streamed chat: events in, progress and the final result out."""

from __future__ import annotations

from typing import Any

from registry.lmstudio.fields import Fields
from registry.lmstudio.parsing import read_chat
from registry.lmstudio.refusals import Report, read_report
from registry.lmstudio.wire import ChatProgress, ChatResult, Phase

_PHASES: dict[str, Phase] = {
    "chat.start": "waiting",
    "model_load": "loading",
    "prompt_processing": "prompt",
    "reasoning": "reasoning",
    "message": "message",
    "chat.end": "done",
}


class Conversation:
    """Takes the events of one answer in order; `result` is set by `chat.end`, `report` by an error."""

    def __init__(self) -> None:
        self.result: ChatResult | None = None
        self.report: Report | None = None
        self._said: dict[str, list[str]] = {"message": [], "reasoning": []}

    def take(self, name: str, body: Any) -> ChatProgress | None:
        """What one event with its decoded data tells. Raises ValueError when it is not as promised."""
        fields = Fields.of(body, "event")
        name = name or str(fields.values.get("type", ""))
        if name == "error" or fields.values.get("error"):
            self.report = read_report(body) or read_report({"error": body})
            return None
        if name == "chat.end":
            result = fields.values.get("result", body)
            self.result = read_chat(result, *("".join(self._said[kind]) for kind in ("message", "reasoning")))
            return ChatProgress("done", 1.0)
        return self._follow(name, fields)

    def _follow(self, name: str, fields: Fields) -> ChatProgress | None:
        kind, _, step = name.rpartition(".")
        phase = _PHASES.get(name) or _PHASES.get(kind)
        if phase is None:  # tool calls, and whatever later versions add
            return None
        delta = fields.values.get("content")
        if kind in self._said and step == "delta" and isinstance(delta, str):
            self._said[kind].append(delta)
            return ChatProgress(phase, None, delta)
        if step == "progress":
            fraction = fields.number("progress")
            return ChatProgress(phase, None if fraction is None else min(1.0, fraction))
        if step in ("start", "end"):
            return ChatProgress(phase, None if phase == "waiting" else float(step == "end"))
        return None
