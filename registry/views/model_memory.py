"""What the page of a model shows of its life in memory: the ledger of its copies, and loads under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from registry import drifting, ledger, loading
from registry.forms.loading import LoadForm
from registry.models import Instance, Job, LanguageModel
from registry.models.instance import LoadedBy
from registry.models.job import OPEN
from registry.templatetags.figures import sentence, words


@dataclass(frozen=True)
class Entry:
    """One loaded copy in the ledger: `word` says how far it is what was asked for."""

    copy: Instance
    asked: int | None
    word: str
    beyond: bool  # more than was verified

    @property
    def others(self) -> bool:
        return self.copy.loaded_by == LoadedBy.OTHERS

    @property
    def less(self) -> bool:
        return bool(self.asked and self.copy.context_length and self.copy.context_length < self.asked)


def memory_of(model: LanguageModel) -> dict[str, Any]:
    """Two queries beside the copies, which are read ahead."""
    under_way = Job.objects.filter(kind__in=("load", "unload"), status__in=OPEN, params__model=model.pk)
    entries = [_entry(model, copy) for copy in sorted(model.instances.all(), key=lambda copy: copy.first_seen)]
    return {
        "jobs": [(job, _seconds(job)) for job in under_way.order_by("pk")],
        "entries": entries,
        "drifts": [entry.copy for entry in entries if entry.copy.drift],
        "told": _told(entries),
    }


def dialog_of(model: LanguageModel) -> dict[str, Any]:
    """What can be asked of a load, or why it cannot be loaded (without its name: the page is about it)."""
    refusal = sentence(loading.objection(model).replace(model.key, "it"))
    return {"form": LoadForm.of(model), "objection": refusal, "last_seconds": loading.last_load_seconds(model)}


def _entry(model: LanguageModel, copy: Instance) -> Entry:
    word = drifting.word(copy.asked, ledger.applied(copy), copy.drift)
    beyond = bool(model.tested_context and copy.context_length and copy.context_length > model.tested_context)
    return Entry(copy, copy.asked.get("context_length"), word, beyond)


def _told(entries: list[Entry]) -> str:
    """How the copies came out, for the heading; empty where nobody asked for one."""
    drifting_ones = [entry for entry in entries if entry.copy.drift]
    if drifting_ones:
        if len(entries) == 1:
            return "not as it was asked for"
        if len(drifting_ones) == len(entries):
            return "none of them as asked"
        return f"{words(len(drifting_ones))} of them not as asked"
    return "as asked" if entries and all(entry.copy.asked for entry in entries) else ""


def _seconds(job: Job) -> float | None:
    return (timezone.now() - job.started).total_seconds() if job.started else None
