"""Waits for a request in flight while somebody looks at the job, and drops the request when it has to end."""

from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from typing import TypeVar

from anyio.from_thread import BlockingPortalProvider

Answer = TypeVar("Answer")

LOOK_SECONDS = 0.5
_loops = BlockingPortalProvider()  # one event loop in a thread of its own while anybody waits


def wait_for(
    call: Callable[[], Awaitable[Answer]],
    look: Callable[[], None] | None = None,
    every: float = LOOK_SECONDS,
) -> Answer:
    """Runs `call` to its end and gives its answer; `look` is called in this thread every `every` seconds.

    What `look` raises (a cancel, a lost lease) cancels the call, which closes its connection, and is raised here.
    """
    with _loops as loop:
        future = loop.start_task_soon(call)
        try:
            while not wait([future], timeout=every if look else None).done:
                if look:
                    look()
        except BaseException:
            future.cancel()
            wait([future], timeout=2)
            raise
        return future.result()
