"""The gateway as an ASGI app in front of Django: it answers `/v1/`, the rest goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from django.conf import settings

from registry.gateway import admission, asking
from registry.gateway.admission import Gone, Receive
from registry.gateway.carrying import Carrier
from registry.gateway.exchange import Exchange
from registry.gateway.process import Process
from registry.gateway.refusals import UNAVAILABLE, Refusal, Send, answer
from registry.gateway.relaying import Cut
from registry.gateway.routes import TokenRoute
from registry.gateway.watching import Watch
from registry.models.usage import Outcome

Scope = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]  # an ASGI app

PLACE = "/v1/"
MODELS = "/v1/models"

log = logging.getLogger(__name__)


def in_front_of(app: App) -> Gateway:
    """The gateway, with `app` behind it for everything that is not its own."""
    return Gateway(app)


class Gateway:
    """Checks who comes in, forwards, and notes each request; what it does in the background starts with the first.

    Nothing of Django's middleware runs here: host, token, role and size are checked by `admission`.
    """

    def __init__(self, inner: App, process: Process | None = None) -> None:
        self._inner = inner
        self.process = process or Process()
        self._carrier = Carrier(self.process)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PLACE):
            self.process.look()
            await self._inner(scope, receive, send)
            return
        arrived = perf_counter()
        try:
            await self._answer(scope, receive, send, arrived)
        except Refusal as refusal:
            await refusal.send(send)
        except Gone:
            pass

    async def _answer(self, scope: Scope, receive: Receive, send: Send, arrived: float) -> None:
        headers, path = scope["headers"], scope["path"]
        admission.check_host(headers)
        self.process.start()
        token = await self._holder(admission.secret_of(headers))
        admission.check_role(token)
        self.process.used_tokens.add(token.pk)
        if path == MODELS or path.startswith(MODELS + "/"):
            _check_method(scope, "GET")
            await self._models(token, path.removeprefix(MODELS).removeprefix("/"), send)
            return
        if path not in asking.ENDPOINTS:
            known = ", ".join((*asking.ENDPOINTS, MODELS))
            raise Refusal(404, f"There is no {path} here, only {known}.", code="unknown_url", headers=admission.CLOSE)
        _check_method(scope, "POST")
        data = await admission.body(headers, receive, settings.GATEWAY_BODY_BYTES)
        exchange = Exchange(self.process.spool, token, asking.read(path, data), arrived)
        await self._carry(exchange, receive, send)

    async def _holder(self, secret: str) -> TokenRoute:
        """The token, looked for once more in the database when it is not known yet."""
        token = admission.holder(self.process.traffic.table, secret)
        if token is None:
            renewed = await self.process.refresher.renewed()
            token = admission.holder(self.process.traffic.table, secret)
            if token is None and not renewed:
                raise _without_database("the token is not known here")
        if token is None:
            raise admission.unauthorized("This API token is unknown or was revoked; create another in Settings.")
        return token

    async def _models(self, token: TokenRoute, name: str, send: Send) -> None:
        """The list of models, or one of them."""
        table = self.process.traffic.table
        listed = table.lists.get(token.registry)
        if listed is None:
            self.process.refresher.want_list(token.registry)
            renewed = await self.process.refresher.renewed()
            listed = self.process.traffic.table.lists.get(token.registry)
            if listed is None:
                raise _without_database("the list of models is not known here" if not renewed else "no registry")
        if not name:
            await answer(send, 200, listed)
            return
        body = asking.entry(listed, name)
        if body is None:
            raise Refusal(404, f"There is no model {name}.", code="model_not_found", param="model")
        await answer(send, 200, body)

    async def _carry(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Forwards the request, and sees to it that it ends in its record however it ends."""
        watch = Watch(receive)
        try:
            self.process.limits.admit(exchange.token)
            await self._carrier.carry(exchange, send)
        except Refusal as refusal:
            exchange.pause()
            outcome = Outcome.ERROR if refusal.status == 502 else Outcome.REFUSED
            exchange.end(outcome, refusal.status, error=refusal.message)
            await refusal.send(send, exchange.headers())
        except Cut:
            return  # without an end: the server closes the connection, as the other one did
        except asyncio.CancelledError:
            text = exchange.stream.text if exchange.stream else ""
            usage = exchange.stream.usage if exchange.stream else None
            exchange.end(Outcome.INTERRUPTED, exchange.status, answer=text, tokens=exchange.tokens(usage))
            if not watch.gone:
                raise
        except Exception:
            log.exception("A request of the gateway failed.")
            failure = Refusal(500, "LMStrix failed here; its log says why.", kind=UNAVAILABLE)
            exchange.end(Outcome.ERROR, 500, error=failure.message)
            if not exchange.answered:
                await failure.send(send, exchange.headers())
        finally:
            watch.close()
            self.process.note(exchange)


def _check_method(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        allowed = ((b"allow", method.encode()), *admission.CLOSE)
        raise Refusal(405, f"Use {method} here.", code="method_not_allowed", headers=allowed)


def _without_database(what: str) -> Refusal:
    message = f"The database does not answer, and {what}; try again."
    return Refusal(503, message, kind=UNAVAILABLE, code="database_unavailable", retry_after=5)
