"""Notices when a client leaves while its request is being answered."""

from __future__ import annotations

import asyncio

from registry.gateway.admission import Receive

AFTER_SECONDS = 0.2  # most requests have ended by then, and need not be watched


class Watch:
    """Cancels the task it was made in when the client is gone; then `gone` is true."""

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive = receive
        loop = asyncio.get_running_loop()
        self._owner = asyncio.current_task(loop)
        self._timer = loop.call_later(AFTER_SECONDS, self._start)
        self._task: asyncio.Task[None] | None = None

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._owner is not None:
            self.gone = True
            self._owner.cancel()

    def close(self) -> None:
        """The request has ended, or is about to: nothing is cancelled any more."""
        self._timer.cancel()
        self._owner = None
        if self._task is not None:
            self._task.cancel()
