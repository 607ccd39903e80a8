"""States and memory in the hands of a script."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import Max

from registry import finding, loading, memory_use, polling, resolving, unloading
from registry.models import LanguageModel, Profile, Server, StateChange
from registry.models.language_model import State
from registry.scripting import reading
from registry.scripting.figures import Figures
from registry.scripting.opening import load_model_registry
from registry.scripting.registry import ModelRegistry
from registry.states import IN_MEMORY

LOOK_SECONDS = 1.0
OVERLAP = 100  # rows read again: one may be committed after another with a higher number

Listener = Callable[[str, str, str], object]
log = logging.getLogger(__name__)


class ModelStateManager:
    """The guide's state manager, for one registry (the default one unless told); a model is named by its id.

    States are what the last look at a server showed; where a look is due and no worker took it, it is taken first.
    Raises ValueError with a sentence for people, LMStudioError where a server refuses.
    """

    def __init__(self, registry: ModelRegistry | None = None) -> None:
        self.registry = (registry or load_model_registry()).registry
        self._listening: list[Listening] = []

    # states

    def get_model_state(self, model_id: str) -> str:
        """unloaded, loading, loaded, active, unloading or error; of a model on several servers the liveliest."""
        polling.poll_due()
        return str(max((State(model.state) for model in self._models(model_id)), key=_liveliness))

    def get_loaded_models(self) -> list[str]:
        """Ids of the models that are in memory now."""
        polling.poll_due()
        models = LanguageModel.objects.filter(registry=self.registry, state__in=IN_MEMORY)
        return reading.ids_of(models.order_by("key", "pk"))

    def add_state_listener(self, listener: Listener) -> Listening:
        """Calls `listener(model_id, old_state, new_state)` for each change from now on, from a thread of its own.

        What it raises is logged, and it goes on. `close()` of what is given back ends it, so does the script's end.
        """
        listening = Listening(self.registry.pk, listener)
        self._listening.append(listening)
        return listening

    def close(self) -> None:
        """Ends all listeners."""
        while self._listening:
            self._listening.pop().close()

    # memory

    def load_model(
        self, model_id: str, server: str | None = None, *, context: int | None = None, **options: Any
    ) -> Figures:
        """Loads a model (or leaves it, if it is loaded and serves); gives instance, server, context_length, drift.

        Without `server` (a name), one of several that have the model is chosen as a profile would choose.
        """
        copy = loading.load(self._one(model_id, server), context=context, options=options)
        return Figures(
            instance=copy.instance_id, server=copy.server.name, context_length=copy.context_length, drift=copy.drift
        )

    def unload_model(self, model_id: str, server: str | None = None) -> int:
        """Takes every copy of a model out of memory, once no request is in flight there; gives how many there were."""
        models = self._models(model_id, server)
        return sum(unloading.unload_model(model) for model in models if model.server is not None)

    def unload_all_models(self, server: str | None = None) -> int:
        """The same for all models of one server (by name), or of every enabled one."""
        return unloading.unload_all(_server(server) if server else None)

    def get_memory_usage(self, server: str | None = None) -> Figures:
        """total_mb, used_mb, available_mb (MiB, rounded down) and `source`: measured, estimated, mixed or unknown."""
        memory = memory_use.memory_of(_server(server)) if server else memory_use.summed(memory_use.memory_of_all())
        amounts = {name: getattr(memory, f"{name}_bytes") for name in ("total", "used", "available")}
        told = {f"{name}_mb": None if count is None else count // 2**20 for name, count in amounts.items()}
        return Figures(told | {"source": str(memory.source)})

    def _models(self, model_id: str, server: str | None = None) -> list[LanguageModel]:
        """All models that the id means; ValueError when there is none."""
        name = f"{_server(server).name}/{model_id}" if server else model_id
        models = LanguageModel.objects.filter(registry=self.registry).named(name).select_related("server")
        return list(models) or [finding.model_named(self.registry, name, where=f" in registry {self.registry}")]

    def _one(self, model_id: str, server: str | None) -> LanguageModel:
        models = self._models(model_id, server)
        if len(models) > 1:
            # by the rules of a profile that asks for nothing but this model
            wish = Profile(registry=self.registry, name=model_id, preferred_models=[model_id])
            best = resolving.resolve(wish).model
            models = [model for model in models if model == best] or models
        return models[0] if len(models) == 1 else reading.model_named(self.registry, model_id)


class Listening:
    """A thread that reads the log of states and tells one listener of what is new."""

    def __init__(self, registry: int, listener: Listener) -> None:
        self._registry, self._listener = registry, listener
        self._over = threading.Event()
        self._start: int = StateChange.objects.aggregate(last=Max("pk"))["last"] or 0
        self._told: set[int] = set()
        self._thread = threading.Thread(target=self._run, daemon=True, name="state listener")
        self._thread.start()

    def close(self) -> None:
        """No call comes after this one, unless it is made by the listener itself."""
        self._over.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.wait(LOOK_SECONDS):
                try:
                    self._look()
                except DatabaseError as error:
                    log.warning("the log of states was not read, it is tried again: %s", error)
                    connection.close()
        finally:
            connection.close()

    def _look(self) -> None:
        """Each change of a model of the registry once, in order; those of models that are deleted are not told."""
        since = max([self._start, *(pk - OVERLAP for pk in self._told)])
        rows = list(StateChange.objects.filter(pk__gt=since).order_by("pk"))
        fresh = [row for row in rows if row.pk not in self._told]
        self._told = {row.pk for row in rows}
        changed = {row.model_id for row in fresh if row.model_id is not None}
        models = LanguageModel.objects.filter(registry=self._registry, pk__in=changed)
        names = {model.pk: model.public_id for model in models.with_public_id().select_related("server")}
        for row in fresh:
            if row.model_id in names and not self._over.is_set():
                self._tell(names[row.model_id], row)

    def _tell(self, model_id: str, row: StateChange) -> None:
        try:
            self._listener(model_id, row.old, row.new)
        except Exception:  # whatever a script does: the next change is told all the same
            log.exception("a listener failed on %s: %s -> %s", model_id, row.old, row.new)


def _liveliness(state: State) -> int:
    order = (State.UNLOADED, State.ERROR, State.UNLOADING, State.LOADING, State.LOADED, State.ACTIVE)
    return order.index(state)


def _server(name: str) -> Server:
    if found := Server.objects.named(name):
        return found
    known = ", ".join(Server.objects.values_list("name", flat=True)[:20]) or "none yet"
    raise ValueError(f"There is no server named {name}; there is {known}.")
