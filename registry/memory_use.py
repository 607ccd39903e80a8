"""How much memory a server has and models take there: measured where it can be, else estimated, always labelled."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import psutil

from registry import copies, host_memory
from registry.models import Instance, LanguageModel, Server

FOUND_SECONDS = 30.0  # how long it is remembered who listens where
_listeners: tuple[float, dict[int, int]] = -FOUND_SECONDS, {}


class Source(StrEnum):
    """How a figure is known."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    MIXED = "mixed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Taken:
    """What one loaded copy takes, in bytes; `how` says what that rests on."""

    copy: copies.Copy
    bytes: int | None
    source: Source
    how: str

    @property
    def instance(self) -> Instance:
        return self.copy.instance


@dataclass(frozen=True)
class Amounts:
    """Memory in bytes; None: unknown."""

    total_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    source: Source


@dataclass(frozen=True)
class Memory(Amounts):
    """The memory of one server; `whole_host`: all programs of this machine count, not only the server's."""

    server: Server
    instances: list[Taken]
    whole_host: bool = False


def memory_of(server: Server, rows: Iterable[Instance] | None = None) -> Memory:
    """The memory of `server` now; `rows`: its instances with their models, where they are read already."""
    taken = [_taken(copy) for copy in copies.on(server, rows)]
    return _measured(server, taken) or _estimated(server, taken)


def memory_of_all() -> list[Memory]:
    """The memory of every enabled server, by name."""
    return [memory_of(server) for server in Server.objects.enabled().order_by("name")]


def summed(memories: Iterable[Memory]) -> Amounts:
    """All servers together; this machine counts once, however many servers run on it."""
    known = [one for one in memories if one.source != Source.UNKNOWN]
    if whole := next((one for one in known if one.whole_host), None):
        known = [whole, *(one for one in known if not (one.whole_host or _here(one)))]
    sources = {one.source for one in known}
    return Amounts(
        total_bytes=_sum(one.total_bytes for one in known) if known else None,
        used_bytes=_sum(one.used_bytes for one in known) if known else None,
        available_bytes=_sum(one.available_bytes for one in known) if known else None,
        source=Source.MIXED if len(sources) > 1 else next(iter(sources), Source.UNKNOWN),
    )


def estimated_bytes(model: LanguageModel, context: int | None) -> tuple[int | None, str]:
    """What a copy with `context` tokens takes, and what that rests on.

    A test measured the peak at its largest size: what that is above the weights grows with the context.
    """
    weights, peak, tested = model.size_bytes, model.peak_memory_bytes, model.tested_context
    if weights and peak and tested and context:
        return weights + int(max(peak - weights, 0) * context / tested), "from what its test measured"
    if peak:
        return max(peak, weights or 0), "the peak of its test"
    return weights, "its weights; the context comes on top" if weights else ""


def _taken(copy: copies.Copy) -> Taken:
    best = max((row.model for row in copy.rows), key=lambda model: (bool(model.peak_memory_bytes), model.pk))
    measured = copy.measured_bytes
    if measured and measured >= (best.size_bytes or 0) // 2:  # else most of it is not in the process, or not yet
        return Taken(copy, measured, Source.MEASURED, "measured when it was loaded")
    count, how = estimated_bytes(best, copy.instance.context_length)
    return Taken(copy, count, Source.ESTIMATED if count else Source.UNKNOWN, how)


def _measured(server: Server, taken: list[Taken]) -> Memory | None:
    """The memory of this host, or of the server's process where the server may take only a part of it."""
    if not host_memory.is_local(server.base_url) or host_memory.is_forwarded(process := _listener(server.base_url)):
        return None
    host, limit = psutil.virtual_memory(), server.memory_limit_bytes
    if not limit or limit >= host.total:
        used = host.total - host.available
        return Memory(host.total, used, host.available, Source.MEASURED, server, taken, whole_host=True)
    resident = host_memory.resident_bytes(host_memory.of_server(process))
    # far less than the models take: they are in memory that is not the process's, such as a graphics card's
    if resident is None or resident < (_sum(one.bytes for one in taken) or 0) // 2:
        return None
    return Memory(limit, resident, max(limit - resident, 0), Source.MEASURED, server, taken)


def _estimated(server: Server, taken: list[Taken]) -> Memory:
    """What was declared for the server, minus what the loaded copies are estimated to take."""
    total, used = server.memory_limit_bytes, _sum(one.bytes for one in taken)
    known = used is not None and (total is not None or bool(taken))
    available = max(total - used, 0) if total is not None and used is not None else None
    source = Source.ESTIMATED if known else Source.UNKNOWN
    return Memory(total, used if known else None, available, source, server, taken)


def _here(memory: Memory) -> bool:
    return memory.source == Source.MEASURED  # only what is on this host is measured


def _sum(amounts: Iterable[int | None]) -> int | None:
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _listener(base_url: str) -> psutil.Process | None:
    global _listeners
    read, known = _listeners
    if time.monotonic() - read > FOUND_SECONDS:
        known = host_memory.listeners()
        _listeners = time.monotonic(), known
    return host_memory.listener(base_url, known)
