"""Servers whose memory is unknown since a connection to them failed: they are looked at before they are asked again."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError, connections

from registry import polling, sealing
from registry.gateway.refreshing import Refresher
from registry.gateway.routes import ServerRoute
from registry.gateway.upstream import Unreached, unreached
from registry.lmstudio.errors import LMStudioError, Unreachable
from registry.models import Server

AT_ONCE = 8  # looks at as many servers


class Doubts:
    """What this process doubts: a server that came back may have nothing in memory of what the table says."""

    def __init__(self, refresher: Refresher) -> None:
        self._refresher = refresher
        self._failures: dict[int, int] = {}  # by server, since the last look that was answered
        self._looks: dict[int, asyncio.Task[None]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gateway-look")

    def note(self, server: ServerRoute) -> None:
        """A connection to it could not be made, or broke."""
        self._failures[server.pk] = self._failures.get(server.pk, 0) + 1

    def about(self, server: ServerRoute) -> bool:
        """Whether it has to be looked at first; so has one that was silent at the last look of anybody."""
        return server.pk in self._failures or not server.reachable

    async def look(self, server: ServerRoute) -> None:
        """Looks at it, once for all that wait for it; from then on the table says what it has in memory.

        Raises Unreached where it still does not answer. One that never failed here is asked all the same; where the
        look cannot be noted, the table that is known has to do.
        """
        failed_here = server.pk in self._failures
        look = self._looks.get(server.pk)
        if look is None or look.get_loop() is not asyncio.get_running_loop():
            look = self._looks[server.pk] = asyncio.create_task(self._settle(server))
            look.add_done_callback(lambda done: self._forget(server.pk, done))
        try:
            await asyncio.shield(look)
        except Unreached:
            if failed_here:
                raise

    async def _settle(self, server: ServerRoute) -> None:
        """Looks, and forgets the failures from before it when the table knows what the look showed."""
        failures = self._failures.get(server.pk)
        noted = await asyncio.get_running_loop().run_in_executor(self._pool, _look, server)
        if noted and await self._refresher.renewed() and self._failures.get(server.pk) == failures:
            self._failures.pop(server.pk, None)

    def _forget(self, pk: int, done: asyncio.Task[None]) -> None:
        if self._looks.get(pk) is done:
            del self._looks[pk]
        if not done.cancelled():
            done.exception()  # whoever waited has it


def _look(route: ServerRoute) -> bool:
    """Whether what the server has now is written: not while the database is down, or where it cannot be read."""
    try:
        polling.look(Server.objects.get(pk=route.pk))
    except Unreachable as error:
        raise unreached(error) from error
    except (DatabaseError, InterfaceError, LMStudioError, Server.DoesNotExist, sealing.Unreadable):
        return False
    finally:
        connections.close_all()
    return True
