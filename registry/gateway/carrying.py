"""Carries a request to the server that answers it: chooses, loads where need be, sends, and passes the answer on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import orjson

from registry.gateway import relaying, upstream
from registry.gateway.asking import Asked
from registry.gateway.choosing import RETRY_SECONDS, Choice
from registry.gateway.doubting import Doubts
from registry.gateway.exchange import Exchange
from registry.gateway.on_demand import OnDemand
from registry.gateway.refusals import UNAVAILABLE, Refusal, Send
from registry.gateway.relaying import Cut
from registry.gateway.routes import Meaning
from registry.gateway.upstream import Answer, Broken, Unreached, Upstream
from registry.gateway.usage_chunk import ask_for_usage

if TYPE_CHECKING:
    from registry.gateway.process import Process

ATTEMPTS = 8  # to find somebody who answers, looks and loads included
LIMITS = ("max_tokens", "max_completion_tokens")

log = logging.getLogger(__name__)


class Carrier:
    """Carries requests for one process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._upstream, self._loads = Upstream(), OnDemand()
        self._doubts = Doubts(process.refresher)

    async def carry(self, exchange: Exchange, send: Send) -> None:
        """Answers the request; raises Refusal where nobody can."""
        avoided: set[int] = set()  # models whose server did not answer, or did not load them
        looked: set[int] = set()  # servers that were looked at for this request
        failure: Refusal | None = None
        for _ in range(ATTEMPTS):
            try:
                meaning, choice = await self._choose(exchange, avoided)
            except Refusal as refusal:
                raise failure or refusal from failure
            exchange.choice, server = choice, choice.model.server
            try:
                if choice.instance is None:
                    await self._load(exchange, choice)
                elif self._doubts.about(server) and server.pk not in looked:
                    looked.add(server.pk)
                    await self._look(exchange, choice)
                else:
                    await self._forward(exchange, meaning, choice, send)
                    return
            except Unreached as error:
                log.warning("%s does not answer the gateway: %s", server.name, error)
                self._doubts.note(server)
                failure = _unanswered(choice, f"does not answer ({error})")
                avoided |= {model.pk for model in meaning.models if model.server.pk == server.pk}
            except Broken as error:
                self._doubts.note(server)
                raise _unanswered(choice, str(error)) from error
            except Cut:
                self._doubts.note(server)
                raise
            except Refusal as refusal:
                if choice.instance is not None:
                    raise
                failure = refusal
                avoided.add(choice.model.pk)
            finally:
                self._process.traffic.leave(choice)
        raise failure or _unanswered(exchange.choice, "did not keep a copy of the model in memory")

    async def _choose(self, exchange: Exchange, avoided: set[int]) -> tuple[Meaning, Choice]:
        registry, asked, traffic = exchange.token.registry, exchange.asked, self._process.traffic
        found = traffic.take(registry, asked, avoided)
        if found is not None:
            return found
        self._process.refresher.want(registry, asked.model)
        exchange.pause()
        renewed = await self._process.refresher.renewed()
        exchange.resume()
        if found := traffic.take(registry, asked, avoided):
            return found
        known = traffic.table.names.get((registry, asked.model))
        if known is not None:
            raise Refusal(503, known.nothing, kind=UNAVAILABLE, code="no_model", param="model")
        if not renewed:
            text = f"The database does not answer, and {asked.model} is not known here; try again."
            raise Refusal(503, text, kind=UNAVAILABLE, code="database_unavailable", retry_after=5)
        text = f"There is no model {asked.model}; GET /v1/models lists those there are."
        raise Refusal(404, text, code="model_not_found", param="model")

    async def _load(self, exchange: Exchange, choice: Choice) -> None:
        exchange.pause()
        await self._loads.load(choice.model)
        await self._process.refresher.renewed()
        exchange.resume()

    async def _look(self, exchange: Exchange, choice: Choice) -> None:
        exchange.pause()
        await self._doubts.look(choice.model.server)
        exchange.resume()

    async def _forward(self, exchange: Exchange, meaning: Meaning, choice: Choice, send: Send) -> None:
        server, path = choice.model.server, exchange.asked.path
        body = _body(exchange.asked, meaning, choice)
        refuses = server.refuses_usage or server.pk in self._process.refusing_usage
        plain = dict(body)
        remove = not refuses and ask_for_usage(body)
        exchange.begin()
        exchange.pause()
        answer = await self._upstream.ask(server, path, orjson.dumps(body))
        try:
            data = None
            if remove and not relaying.is_stream(answer):
                data = await upstream.whole(answer)
                if b"stream_options" in data or b"include_usage" in data:
                    self._process.refusing_usage.add(server.pk)
                    answer, data, remove = await self._upstream.ask(server, path, orjson.dumps(plain)), None, False
            exchange.resume()
            _check(answer, choice)
            if data is None and relaying.is_stream(answer):
                await relaying.stream(answer, exchange, send, remove=remove)
            else:
                await relaying.whole(answer, exchange, send, data)
        finally:
            answer.close()


def _body(asked: Asked, meaning: Meaning, choice: Choice) -> dict[str, Any]:
    """What is sent: the client's body, as it was read here, to the chosen copy; a profile speaks where it is silent."""
    body = {**asked.body, "model": choice.instance.name if choice.instance else choice.model.key}
    if asked.endpoint == "embeddings":
        return body
    if meaning.temperature is not None and body.get("temperature") is None:
        body["temperature"] = meaning.temperature
    if meaning.max_context is not None:
        tokens = asked.tokens(choice.model.characters_per_token)
        left = meaning.max_context - tokens
        if left <= 0:
            raise Refusal(
                400,
                f"The prompt takes about {tokens:,} tokens ({asked.longest:,} characters), and the profile allows "
                f"{meaning.max_context:,} for a request.", code="context_length_exceeded",
            )  # fmt: skip
        if all(body.get(name) is None for name in LIMITS):
            body["max_tokens"] = left
    return body


def _check(answer: Answer, choice: Choice) -> None:
    """Refuses what must not reach the client: where a server sends us, and what it thinks of our token."""
    name = choice.model.server.name
    if 300 <= answer.status < 400:
        raise _unanswered(choice, "sends requests elsewhere; enter the address it sends them to")
    if answer.status in (401, 403):
        raise Refusal(
            502, f"{name} refused the token that LMStrix has for it; enter it again under Servers.",
            kind=UNAVAILABLE, code="server_refused_token",
        )  # fmt: skip


def _unanswered(choice: Choice | None, reason: str) -> Refusal:
    name = f"Server {choice.model.server.name}" if choice else "The server"
    return Refusal(
        502, f"{name} {reason}.", kind=UNAVAILABLE, code="server_unreachable", retry_after=RETRY_SECONDS,
    )  # fmt: skip
