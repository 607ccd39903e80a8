"""Keeps Python's garbage collector out of the way while a whole registry is read or written."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection inside: millions of small objects without cycles are looked through for nothing otherwise.

    A third of the time of an export of 100,000 models. Collection is a matter of the process; of threads that use
    this at once the first to end switches it on again, which costs the others time and nothing else.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
