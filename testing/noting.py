"""What an experiment loads and unloads, as the log of states and the ledger of loaded copies show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from registry import ledger, states
from registry.lmstudio.wire import ReportedInstance
from registry.models import Instance, LanguageModel, Server
from registry.models.instance import LoadedBy
from registry.models.language_model import State
from registry.models.state_change import Cause


class Notebook:
    """Notes of one server. A key under which several files are offered is left to the next look at the server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def loading(self, key: str, context_length: int | None, why: str = "") -> None:
        tried = f"to be tried with {context_length:,} tokens" if context_length else ""
        self._change(key, State.LOADING, why or tried)

    def refused(self, key: str, error: str) -> None:
        self._change(key, State.UNLOADED, f"the load failed: {error}")

    def loaded(self, key: str, copy: ReportedInstance, facts: dict[str, Any], why: str = "") -> None:
        """`facts`: who loaded it and what was asked for, as `ledger.seen` takes them."""
        if model := self._named(key):
            instance = ledger.seen(model, copy, **({"loaded_by": LoadedBy.EXPERIMENT} | facts))
            states.change(model, State.LOADED, cause=Cause.EXPERIMENT, reason=why, context=instance.context_length)

    def unloading(self, instance_id: str) -> None:
        if model := self._model_of_last(instance_id):
            states.change(model, State.UNLOADING, cause=Cause.EXPERIMENT)

    def unloaded(self, instance_id: str) -> None:
        last = self._model_of_last(instance_id)
        Instance.objects.filter(server=self.server, instance_id=instance_id).delete()
        if last:
            states.change(last, State.UNLOADED, cause=Cause.EXPERIMENT)

    def give_back(self, found: Iterable[Mapping[str, Any]]) -> None:
        """A copy of the experiment that stays in place of one that was `found` belongs to whom that belonged."""
        known = {(item["model"], item.get("context_length")): item.get("known", {}) for item in found}
        ours = Instance.objects.filter(server=self.server, loaded_by=LoadedBy.EXPERIMENT)
        for row in ours.select_related("model"):
            before = known.get((row.model.key, row.context_length))
            if before is not None:
                Instance.objects.filter(pk=row.pk).update(**({"loaded_by": LoadedBy.OTHERS, "asked": {}} | before))

    def _change(self, key: str, new: State, reason: str) -> None:
        if model := self._named(key):
            states.change(model, new, cause=Cause.EXPERIMENT, reason=reason)

    def _named(self, key: str) -> LanguageModel | None:
        models = list(LanguageModel.objects.filter(server=self.server, key=key).order_by("pk"))
        return models[0] if len({model.variant for model in models}) == 1 else None

    def _model_of_last(self, instance_id: str) -> LanguageModel | None:
        """The model of which this is the only copy known; None when there is another one."""
        row = Instance.objects.filter(server=self.server, instance_id=instance_id).select_related("model").first()
        model = row.model if row else self._named(instance_id) or self._named(instance_id.rpartition(":")[0])
        others = Instance.objects.filter(model=model).exclude(instance_id=instance_id)
        return None if model is None or others.exists() else model
