"""Asks a model one thing for a person: finds it, loads it where need be, hands on the answer, records it once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from registry import asking, calling, loading, recording
from registry.carrying import carrying
from registry.lmstudio import LMStudio
from registry.lmstudio.errors import LMStudioError
from registry.lmstudio.wire import ChatProgress, ChatResult
from registry.models import InferenceRecord, Instance, LanguageModel, Registry
from registry.models.usage import Outcome, Source

MOST_TOKENS = 4096  # of an answer, unless told
LONGEST_PROMPT = 2_000_000  # characters
SPARE = 16  # tokens of a window that the server's own template takes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """One prompt: `name` as in `calling.called`; temperature and most tokens of the answer where not the default."""

    registry: Registry
    name: str
    prompt: str
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass
class Answer:
    """What a model said, and the figures of it: times in seconds, without that of loading."""

    model: LanguageModel
    uuid: UUID = field(default_factory=uuid4)
    instance: str = ""
    text: str = ""
    reasoning: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    estimated: bool = False
    ttft: float | None = None
    seconds: float | None = None
    tokens_per_second: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For programs; null is unknown."""
        return {
            "uuid": str(self.uuid),
            "model": self.model.key,
            "server": str(self.model.server),
            "instance": self.instance,
            "text": self.text,
            "reasoning": self.reasoning or None,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "estimated": self.estimated,
            "ttft": _rounded(self.ttft),
            "seconds": _rounded(self.seconds),
            "tokens_per_second": _rounded(self.tokens_per_second),
        }


Hear = Callable[[ChatProgress], None]
Say = Callable[[str], None]


def infer(
    wish: Wish, *, hear: Hear | None = None, say: Say | None = None, look: Callable[[], None] | None = None
) -> Answer:
    """The answer to `wish`, recorded as one request whatever becomes of it.

    `hear` gets each piece as it comes (in another thread), `say` what is done now in words, `look` is called now and
    then; what it raises ends the request, which is recorded as interrupted. Raises ValueError with a text for people
    where no model can be asked, and LMStudioError.
    """
    if not wish.prompt.strip():
        raise ValueError("There is no prompt; write what the model shall answer.")
    if len(wish.prompt) > LONGEST_PROMPT:
        raise ValueError(f"The prompt has {len(wish.prompt):,} characters; at most {LONGEST_PROMPT:,} are sent.")
    call = calling.called(wish.registry, wish.name)
    model = calling.chosen(call, wish.prompt)
    if say:
        say(f"loading {model.key} on {model.server}" if model.state not in calling.IN_MEMORY else f"asking {model.key}")
    instance = loading.load(model, context=_context(model, wish), reason="to answer a prompt", look=look)
    limit = _most(call, wish, instance, model)
    temperature = wish.temperature if wish.temperature is not None else call.temperature
    with carrying(instance):
        if say:
            say(f"{instance} reads the prompt")
        return _Exchange(wish, model, instance, hear).run(limit, temperature, look)


def _context(model: LanguageModel, wish: Wish) -> int | None:
    """What to load with where no loaded copy will do: the verified window, else room for the prompt and an answer."""
    need = calling.tokens_of(model, wish.prompt) + SPARE
    copies = Instance.objects.filter(model=model, draining=None)
    if any(copy.context_length is None or copy.context_length > need for copy in copies):
        return None
    return model.tested_context or (need + MOST_TOKENS if need > MOST_TOKENS else None)


def _most(call: calling.Called, wish: Wish, instance: Instance, model: LanguageModel) -> int:
    """The most tokens that the answer may have; ValueError when a limit leaves none."""
    tokens, most = calling.tokens_of(model, wish.prompt), wish.max_tokens or MOST_TOKENS
    for window, what in (
        (instance.context_length, f"{instance} is loaded with"),
        (call.max_context, "the profile allows"),
    ):
        if window is not None:
            if tokens + SPARE >= window:
                raise ValueError(
                    f"The prompt takes about {tokens:,} tokens, and {what} {window:,}; send a shorter one."
                )
            most = min(most, window - tokens - SPARE)
    return most


class _Exchange:
    """One chat and its record."""

    def __init__(self, wish: Wish, model: LanguageModel, instance: Instance, hear: Hear | None) -> None:
        self.wish, self.instance, self.hear = wish, instance, hear
        self.answer = Answer(model, instance=instance.instance_id)
        self.pieces: list[str] = []
        self.began, self.first, self.started = time.monotonic(), 0.0, timezone.now()

    def run(self, limit: int, temperature: float | None, look: Callable[[], None] | None) -> Answer:
        async def chat(studio: LMStudio) -> ChatResult:
            return await studio.chat(
                self.instance.instance_id, self.wish.prompt, max_output_tokens=limit, on_progress=self._take,
                temperature=0 if temperature is None else temperature,
            )  # fmt: skip

        outcome, error = Outcome.INTERRUPTED, ""
        try:
            self._finish(asking.ask(self.instance.server, chat, look))
            outcome = Outcome.OK
        except (LMStudioError, ValueError) as trouble:
            outcome, error = Outcome.ERROR, str(trouble)
            raise
        finally:
            self._measure()
            self._record(outcome, error)
        return self.answer

    def _take(self, progress: ChatProgress) -> None:
        if progress.delta:
            self.first = self.first or time.monotonic()
            self.pieces.append(progress.delta)
        if self.hear:
            self.hear(progress)

    def _finish(self, result: ChatResult) -> None:
        answer = self.answer
        answer.text, answer.reasoning = result.text, result.reasoning_text
        answer.tokens_in, answer.tokens_out = result.input_tokens, result.output_tokens
        answer.tokens_per_second = result.tokens_per_second

    def _measure(self) -> None:
        """What the server did not tell is counted here: a piece is a token, near enough."""
        answer, now = self.answer, time.monotonic()
        answer.seconds = now - self.began
        answer.ttft = self.first - self.began if self.first else None
        answer.text = answer.text or ("".join(self.pieces) if not answer.reasoning else "")
        if answer.tokens_out is None:
            answer.tokens_out, answer.estimated = len(self.pieces), True
        if answer.tokens_in is None:
            answer.tokens_in, answer.estimated = calling.tokens_of(answer.model, self.wish.prompt), True
        if answer.tokens_per_second is None and self.first and answer.tokens_out > 1 and now > self.first:
            answer.tokens_per_second = (answer.tokens_out - 1) / (now - self.first)

    def _record(self, outcome: str, error: str) -> None:
        answer = self.answer
        row = InferenceRecord(
            uuid=answer.uuid, model_id=answer.model.pk, server_id=answer.model.server_id,
            model_key=self.wish.name[:500], endpoint="chat", source=Source.INFER, outcome=outcome, error=error[:300],
            stream=True, estimated=answer.estimated, started=self.started, duration_us=_us(answer.seconds),
            ttft_us=_us(answer.ttft), tokens_in=answer.tokens_in, tokens_out=answer.tokens_out,
        )  # fmt: skip
        recording.record([row])


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
