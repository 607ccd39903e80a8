"""The pool of loaded instances: one memory budget, one load at a time, ids, time to live."""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from testing.engine.budget import GRAIN, LoadSettings, data_limit, gigabytes, needed_bytes, round_up
from testing.engine.catalog import CatalogModel
from testing.engine.errors import EngineError, invalid, load_failed, model_not_found
from testing.engine.instance import Instance, start_process

log = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT_CONTEXT = 4096
JIT_TTL_SECONDS = 3600.0
_MOST_THREADS = 16  # small models gain nothing from more


class Pool:
    """Every instance in memory; `budget_bytes` is shared by all of them."""

    def __init__(self, models: dict[str, CatalogModel], budget_bytes: int, threads: int | None = None) -> None:
        self.models = models
        self.budget_bytes = budget_bytes
        self.threads = threads
        self.instances: dict[str, Instance] = {}
        self._loading = asyncio.Lock()
        self._starting: Instance | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def of_model(self, key: str) -> list[Instance]:
        """The instances of one model, oldest first."""
        return [instance for instance in self.instances.values() if instance.model.key == key]

    def find(self, name: str) -> Instance | None:
        """A loaded instance by its id, else the first one of the model with that key."""
        return self.instances.get(name) or next(iter(self.of_model(name)), None)

    async def load(self, model: CatalogModel, settings: LoadSettings) -> Instance:
        """Load a new instance. A caller that goes away does not stop it. Raises model_load_failed, invalid_request."""
        return await self._shielded(self._load(model, settings, None))

    async def load_just_in_time(
        self, name: str, context_length: int | None = None, ttl: float | None = None,
        on_start: Callable[[], None] = lambda: None,
    ) -> tuple[Instance, float | None]:  # fmt: skip
        """The instance that serves `name`, loaded if there is none; with the seconds of the load if this was it."""
        if (instance := self.fitting(name, context_length)) is not None:
            return instance, None
        return await self._shielded(self._load_missing(name, context_length, ttl, on_start))

    def fitting(self, name: str, context_length: int | None) -> Instance | None:
        """A loaded instance for `name`; one that was loaded with `context_length` where that is given."""
        instance = self.find(name)
        if instance is None or context_length is None or _has(instance, context_length):
            return instance
        return next((other for other in self.of_model(instance.model.key) if _has(other, context_length)), None)

    def model_named(self, name: str) -> CatalogModel:
        """The model with this key, or that of the instance with this id. Raises model_not_found."""
        if (model := self.models.get(name)) is not None:
            return model
        if (instance := self.instances.get(name)) is not None:
            return instance.model
        raise model_not_found(name)

    async def unload(self, instance_id: str) -> None:
        """Remove one instance and return its memory. Raises model_not_found."""
        instance = self.instances.pop(instance_id, None)
        if instance is None:
            raise model_not_found(instance_id)
        await self._shielded(instance.close())

    def keep_time(self) -> None:
        """Begin to unload what is idle for longer than its ttl."""
        self._keep(self._unload_idle())

    async def _unload_idle(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            for instance in list(self.instances.values()):
                ttl = instance.ttl_seconds
                if ttl is not None and not instance.users and now - instance.last_used > ttl:
                    log.info("%s was idle for %.0f s: unloading", instance.id, ttl)
                    with contextlib.suppress(EngineError):
                        await self.unload(instance.id)

    async def close(self) -> None:
        """End every child, also one that is still loading."""
        self._closed = True
        ending = list(self.instances.values())
        self.instances.clear()
        if self._starting is not None:
            ending.append(self._starting)
        await asyncio.gather(*(instance.close(patience=0.3) for instance in ending))

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(self._keep(work))

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` as a task of the pool, whoever asked for it (a task nobody holds may be collected)."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # read, so that an abandoned failure is not reported as forgotten

    async def _load_missing(
        self, name: str, context_length: int | None, ttl: float | None, on_start: Callable[[], None]
    ) -> tuple[Instance, float | None]:
        model = self.model_named(name)
        settings = LoadSettings(context_length or default_context(model))
        async with self._loading:
            if (instance := self.fitting(name, context_length)) is not None:  # somebody else loaded it meanwhile
                return instance, None
            on_start()
            instance = await self._start(model, settings, JIT_TTL_SECONDS if ttl is None else ttl)
            return instance, instance.load_seconds

    async def _load(self, model: CatalogModel, settings: LoadSettings, ttl: float | None) -> Instance:
        async with self._loading:
            return await self._start(model, settings, ttl)

    async def _start(self, model: CatalogModel, settings: LoadSettings, ttl: float | None) -> Instance:
        if settings.context_length < GRAIN:
            raise invalid(f"context_length must be at least {GRAIN} tokens", "context_length")
        needed, share = needed_bytes(model.metadata, settings), self._share()
        if needed > share:
            raise load_failed(_guardrail(needed, share))
        threads = self._threads()
        limit = data_limit(model.metadata, share, threads, _stack_bytes())
        began = time.monotonic()
        process = await start_process(model, settings, threads, limit)
        instance = Instance(self._free_id(model.key), model, settings, needed, process, ttl)
        self._starting = instance
        try:
            await instance.wait_until_ready()
        except BaseException:
            await instance.close(patience=0)
            raise
        finally:
            self._starting = None
        if self._closed:
            await instance.close(patience=0)
            raise load_failed("The engine is shutting down.")
        instance.load_seconds = time.monotonic() - began
        instance.last_used = time.monotonic()
        self.instances[instance.id] = instance
        self._keep(self._watch(instance))
        return instance

    async def _watch(self, instance: Instance) -> None:
        """Forget an instance whose process ended."""
        await instance.process.wait()
        if self.instances.get(instance.id) is instance:
            del self.instances[instance.id]
            log.warning("%s ended by itself (exit code %s)", instance.id, instance.process.returncode)
            await instance.client.aclose()

    def _share(self) -> int:
        return self.budget_bytes - sum(instance.needed_bytes for instance in self.instances.values())

    def _threads(self) -> int:
        # Two busy instances with all cores each collapse to a tenth of their speed; with one thread each they share.
        if self.instances:
            return 1
        return self.threads or min(os.cpu_count() or 1, _MOST_THREADS)

    def _free_id(self, key: str) -> str:
        number, name = 1, key
        while name in self.instances:
            number += 1
            name = f"{key}:{number}"
        return name


def default_context(model: CatalogModel) -> int:
    """What a load without a context gets, in tokens."""
    return min(model.metadata.context_length or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


def _has(instance: Instance, context_length: int) -> bool:
    return round_up(instance.settings.context_length) == round_up(context_length)


def _guardrail(needed: int, share: int) -> str:
    return (
        "Model loading was stopped due to insufficient system resources. Under the current settings, this model "
        f"requires approximately {gigabytes(needed)} of memory, and {max(0, share) / 1e9:.2f} GB are free in the "
        "budget of this engine. Try a smaller context length, or unload other models."
    )


def _stack_bytes() -> int:
    """What a thread's stack reserves."""
    if sys.platform == "win32":
        return 0
    import resource

    soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return 8 * 2**20 if soft == resource.RLIM_INFINITY else soft
