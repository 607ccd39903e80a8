"""Hands the answer of a model to a browser as it comes, and stops asking when the browser goes away."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

from django.db import connection, connections
from django.http import StreamingHttpResponse

from registry import acting, inferring
from registry.acting import Actor
from registry.inferring import Wish
from registry.lmstudio.errors import LMStudioError
from registry.lmstudio.wire import ChatProgress

SILENCE_SECONDS = 10.0  # then a comment shows that the connection lives
END = None

log = logging.getLogger(__name__)


class Left(Exception):
    """Nobody waits for the answer any more."""


def answered(wish: Wish, actor: Actor) -> StreamingHttpResponse:
    """Server-sent events `stage` and `piece` (with `text`), then `done` (the figures) or `fault` (the reason)."""
    if not connection.in_atomic_block:
        connection.close()  # an open stream must not keep a database connection from the pool
    headers = {"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(told(wish, actor), content_type="text/event-stream; charset=utf-8", headers=headers)


async def told(wish: Wish, actor: Actor) -> AsyncIterator[bytes]:
    """The bytes of one stream; who stops reading it stops the model within half a second."""
    asked = _Asked(wish, actor)
    asked.start()
    try:
        while True:
            try:
                event = await asyncio.wait_for(asked.events.get(), SILENCE_SECONDS)
            except TimeoutError:
                yield b": still there\n\n"
                continue
            if event is END:
                return
            yield event
    finally:
        asked.left.set()


class _Asked(threading.Thread):
    """Asks in a thread of its own, since loading and asking wait for minutes."""

    def __init__(self, wish: Wish, actor: Actor) -> None:
        super().__init__(name="playground", daemon=True)
        self.wish, self.actor = wish, actor
        self.left = threading.Event()
        self.events: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def run(self) -> None:
        try:
            with acting.acting(self.actor):
                answer = inferring.infer(self.wish, hear=self._hear, say=self._say, look=self._look)
            self._tell("done", **answer.as_dict())
        except Left:
            log.info("the playground was left in the midst of an answer")
        except (ValueError, LMStudioError) as refusal:
            self._tell("fault", text=str(refusal))
        except Exception:
            log.exception("the playground failed")
            self._tell("fault", text="Something went wrong inside LMStrix; its log tells more.")
        finally:
            self._put(END)
            connections.close_all()

    def _look(self) -> None:
        if self.left.is_set():
            raise Left

    def _hear(self, progress: ChatProgress) -> None:
        if progress.delta:
            self._tell("piece", text=progress.delta, reasoning=progress.phase == "reasoning")
        elif progress.phase in ("loading", "prompt") and progress.fraction:
            what = "loading" if progress.phase == "loading" else "reading the prompt"
            self._tell("stage", text=f"{what}, {progress.fraction:.0%}", goes_on=True)

    def _say(self, text: str) -> None:
        self._tell("stage", text=text)

    def _tell(self, kind: str, **data: Any) -> None:
        self._put(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())

    def _put(self, event: bytes | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self.events.put_nowait, event)
        except RuntimeError:  # the loop has ended with its process
            self.left.set()
