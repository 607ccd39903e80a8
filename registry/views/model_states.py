"""What a model did in memory: its timeline, and the whole log of its states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from registry import states
from registry.models import LanguageModel, StateChange
from registry.models.language_model import State
from registry.models.state_change import Cause
from registry.states import IN_MEMORY, Span
from registry.templatetags.figures import duration
from registry.views import listing

DAY, WEEK = timedelta(days=1), timedelta(days=7)
LATEST = 10  # changes on the page of a model


@dataclass(frozen=True)
class Stretch:
    """One row of the timeline: what it shows, from when on, and the spans."""

    label: str
    since: datetime
    spans: list[Span]


@dataclass(frozen=True)
class History:
    """What the page of a model shows of its states."""

    model: LanguageModel
    now: datetime
    stretches: list[Stretch]
    latest: list[StateChange]
    loaded_since: datetime | None
    last_used: datetime | None
    idle_seconds: float | None

    @property
    def silent(self) -> bool:
        """Whether its server does not answer: what it is now is not known."""
        return self.model.server is not None and self.model.server.reachable is False

    @property
    def last_seen(self) -> str:
        return f"{self.model.state} when last seen"

    @property
    def headline(self) -> str:
        """The state, and for how long, in one line."""
        if self.silent:
            return f"Nobody knows: {self.model.server} does not answer"
        if self.loaded_since is not None:
            idle = self.idle_seconds or 0
            told = f"In memory for {duration((self.now - self.loaded_since).total_seconds())}"
            return f"{told}, idle for {duration(idle)}" if idle >= 1 else f"{told}, and answering now"
        if self.model.state in (State.LOADING, State.UNLOADING):
            return f"It is {self.model.state} now"
        if self.model.state == State.ERROR:
            return "Its last load failed"
        day = sum(span.seconds(self.now) for span in self.stretches[0].spans if span.state in IN_MEMORY and span.known)
        return f"Not in memory; it was for {duration(day)} of the last 24 hours" if day else "Not in memory"


def history_of(model: LanguageModel) -> History:
    """The states of one model, as its page shows them; a handful of queries."""
    now = timezone.now()
    week = states.timeline(model, now - WEEK)
    rows = [Stretch("24 hours", now - DAY, states.cut(week, now - DAY)), Stretch("7 days", now - WEEK, week)]
    latest = list(StateChange.objects.filter(model=model).order_by("-at", "-pk")[:LATEST])
    return History(
        model, now, rows, latest, states.loaded_since(model), states.last_used(model), states.idle_seconds(model)
    )


@require_safe
def model_states(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole log of one model, newest first, narrowed by cause."""
    model = get_object_or_404(LanguageModel.objects.select_related("server"), pk=pk)
    cause = request.GET.get("cause", "")
    rows = StateChange.objects.filter(model=model, **({"cause": cause} if cause else {}))
    page = listing.latest_first(request, rows)
    context: dict[str, Any] = {"model": model, "page": page, "cause": cause, "causes": Cause.choices}
    context |= {"pages": listing.turning(request, page), "history": history_of(model)}
    return render(request, "registry/model_states_log.html", context)
