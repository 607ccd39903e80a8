"""One request from its arrival to its record."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson

from registry.gateway.asking import Asked
from registry.gateway.choosing import Choice
from registry.gateway.refusals import Header
from registry.gateway.routes import TokenRoute
from registry.gateway.usage_chunk import Stream
from registry.models.usage import Outcome, Source

CHECKPOINT_SECONDS = 1.0
KEEP_CHARACTERS = 2**20  # of a prompt, and of an answer
MILLION = 1_000_000

_dice = random.Random()  # noqa: S311 - seeded by the system; asking it for each record is five times slower


class Noting(Protocol):
    """What a spool does."""

    def begin(self, uuid: uuid.UUID, fields: Mapping[str, Any]) -> bool: ...

    def checkpoint(self, uuid: uuid.UUID, fields: Mapping[str, Any]) -> None: ...

    def end(self, uuid: uuid.UUID, fields: Mapping[str, Any]) -> None: ...


class Exchange:
    """What is noted of a request: it begins before it is forwarded, and ends once, before its last byte goes out."""

    __slots__ = (
        "_checked", "_first", "_noted", "_since", "_spool", "answered", "arrived", "asked", "choice", "ended",
        "ours", "spent", "started", "status", "stream", "token", "uuid",
    )  # fmt: skip

    def __init__(self, spool: Noting, token: TokenRoute, asked: Asked, arrived: float) -> None:
        """`arrived`: when its first byte was here, by time.perf_counter()."""
        self._spool, self.token, self.asked, self.arrived = spool, token, asked, arrived
        self.uuid, self.started = uuid.UUID(int=_dice.getrandbits(128), version=4), datetime.now(UTC).isoformat()
        self.choice: Choice | None = None
        self.stream: Stream | None = None
        self.status: int | None = None
        self.answered = self.ended = False
        self.ours = 0.0  # seconds spent here, not on the server
        self.spent: dict[str, Any] = {}  # the tokens, once it has ended
        self._noted: dict[str, Any] = {}  # what its first line says
        self._first: float | None = None  # when the first token came
        self._since: float | None = arrived
        self._checked = arrived

    def pause(self) -> None:
        """From now on it waits for others."""
        if self._since is not None:
            self.ours += time.perf_counter() - self._since
            self._since = None

    def resume(self) -> None:
        self._since = time.perf_counter()

    def begin(self) -> None:
        """Notes it; once, also when a second server is asked."""
        if not self._noted:
            self._noted = self._who() | {
                "token_id": self.token.pk, "endpoint": self.asked.endpoint, "source": Source.GATEWAY,
                "stream": self.asked.stream, "started": self.started,
            }  # fmt: skip
            self._spool.begin(self.uuid, self._noted)

    def _who(self) -> dict[str, Any]:
        if self.choice is None:
            return {"model_id": None, "server_id": None, "model_key": self.asked.model[:500]}
        model = self.choice.model
        return {"model_id": model.pk, "server_id": model.server.pk, "model_key": model.key}

    def checkpoint(self) -> None:
        """Notes how far the answer has come, once a second; call it whenever something of it came."""
        now = time.perf_counter()
        if self._first is None and self.stream is not None and self.stream.chunks:
            self._first = now
        if now - self._checked >= CHECKPOINT_SECONDS:
            self._checked = now
            self._spool.checkpoint(self.uuid, self.tokens(None) | self._times(now))

    def tokens(self, usage: dict[str, Any] | None, *, chunks: int = 0) -> dict[str, Any]:
        """The tokens that the server told, else as counted here: one for each chunk, characters of the prompt."""
        told = [_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")] if usage else [None, None]
        if told[0] and (told[1] is not None or self.asked.endpoint == "embeddings"):
            return {"tokens_in": told[0], "tokens_out": told[1] or 0, "estimated": False}
        per_token = self.choice.model.characters_per_token if self.choice else None
        chunks = self.stream.chunks if self.stream is not None else chunks
        return {"tokens_in": self.asked.all_tokens(per_token), "tokens_out": chunks, "estimated": True}

    def end(
        self, outcome: Outcome, status: int | None, *, error: str = "", answer: str = "",
        tokens: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Notes how it ended; a second end changes nothing."""
        if self.ended:
            return
        self.ended = True
        self.begin()
        self.spent = dict(tokens or {})
        fields: dict[str, Any] = {"outcome": outcome, "status": status, "error": error[:300], **self.spent}
        if self.token.keep_days:
            fields["keep"] = self._kept(answer)
        who = {name: value for name, value in self._who().items() if self._noted[name] != value}
        self._spool.end(self.uuid, fields | who | self._times(time.perf_counter()))

    def _times(self, now: float) -> dict[str, Any]:
        times = {"duration_us": int((now - self.arrived) * MILLION), "overhead_us": int(self.ours * MILLION)}
        if self._first is not None:
            times["ttft_us"] = int((self._first - self.arrived) * MILLION)
        return times

    def _kept(self, answer: str) -> dict[str, str]:
        request = orjson.dumps(self.asked.body).decode()[:KEEP_CHARACTERS]
        expires = datetime.now(UTC) + timedelta(days=self.token.keep_days)
        return {"request": request, "answer": answer[:KEEP_CHARACTERS], "expires": expires.isoformat()}

    def headers(self) -> tuple[Header, ...]:
        """Who answers, the uuid of the record, and the milliseconds that were spent here until now."""
        record = (b"x-lmstrix-request", str(self.uuid).encode())
        overhead = (b"x-lmstrix-overhead-ms", b"%.3f" % (self.ours * 1000))
        return (*(self.choice.model.headers if self.choice else ()), record, overhead)


def _count(told: object) -> int | None:
    """A number of tokens as a server told it; None for nonsense."""
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 2**53 else None
