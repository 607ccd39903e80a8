"""Loads a model that is asked for and not in memory: in a thread, and once however many ask for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError, connections

from registry import loading
from registry.gateway.refusals import UNAVAILABLE, Refusal
from registry.gateway.routes import ModelRoute
from registry.lmstudio.errors import LMStudioError
from registry.load_lock import LoadBusy
from registry.models import LanguageModel
from registry.models.instance import LoadedBy
from registry.models.state_change import Cause

AT_ONCE = 8  # loads on as many servers
RETRY_SECONDS = 5


class OnDemand:
    """The loads that this process has under way, by model."""

    def __init__(self) -> None:
        self._under_way: dict[int, asyncio.Future[None]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gateway-load")

    async def load(self, model: ModelRoute) -> None:
        """Returns when `model` is loaded; Refusal (503) says why it is not.

        A client that leaves does not end the load: others may wait for it.
        """
        future = self._under_way.get(model.pk)
        if future is None or future.get_loop() is not asyncio.get_running_loop():
            future = asyncio.get_running_loop().run_in_executor(self._pool, _load, model)
            self._under_way[model.pk] = future
            future.add_done_callback(lambda done: self._forget(model.pk, done))
        await asyncio.shield(future)

    def _forget(self, pk: int, done: asyncio.Future[None]) -> None:
        if self._under_way.get(pk) is done:
            del self._under_way[pk]
        if not done.cancelled():
            done.exception()  # whoever waited has it; nobody may be left


def _load(route: ModelRoute) -> None:
    try:
        model = LanguageModel.objects.select_related("server", "registry").get(pk=route.pk)
        loading.load(
            model, context=route.window, by=LoadedBy.GATEWAY, cause=Cause.GATEWAY, reason="asked for by a request"
        )
    except LoadBusy as busy:
        raise _unloaded(route, str(busy), "server_busy") from busy
    except (DatabaseError, InterfaceError) as error:
        text = "it is not in memory, and the database does not answer, so nothing is loaded now"
        raise _unloaded(route, text, "database_unavailable") from error
    except LanguageModel.DoesNotExist as gone:
        raise _unloaded(route, "it is not known any more", "model_not_found") from gone
    except (LMStudioError, ValueError) as error:
        raise _unloaded(route, str(error), "model_load_failed") from error
    finally:
        connections.close_all()


def _unloaded(route: ModelRoute, reason: str, code: str) -> Refusal:
    message = f"{route.key} on {route.server.name} could not be loaded: {reason}"
    return Refusal(503, message, kind=UNAVAILABLE, code=code, retry_after=RETRY_SECONDS)
