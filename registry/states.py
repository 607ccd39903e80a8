"""Changes the states of models, the only place that does, and tells what the log of these changes says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from registry import announcing, notifying
from registry.marking import BATCH, batches
from registry.models import InferenceRecord, Instance, LanguageModel, Server, StateChange
from registry.models.language_model import State
from registry.models.state_change import Cause

IN_MEMORY = (State.LOADED, State.ACTIVE)
TOLD_SINGLY = 50  # changes at once that pages are told of one by one
LONGEST = 500  # characters of a reason
MOST = 5_000  # changes that a timeline reads, the latest; it begins with the first of them

Who = tuple[int | None, str, str]
Wish = tuple[State, str, int | None]


@dataclass(frozen=True)
class Span:
    """A stretch of a timeline; `ended` is None while it lasts, `known` false while the server did not answer."""

    state: State
    began: datetime
    ended: datetime | None
    known: bool = True

    def seconds(self, now: datetime) -> float:
        return ((self.ended or now) - self.began).total_seconds()


def change(
    model: LanguageModel, new: State, *, cause: Cause, reason: str = "", context: int | None = None
) -> StateChange | None:
    """Puts `model` into the state `new` and logs it; None when it was in that state already.

    `context` is what is in force after a load, in tokens; for an error `reason` is what people read beside the model.
    """
    rows = changes({model: new}, cause=cause, reasons={model: reason}, contexts={model: context})
    return next((row for row in rows if row.model_id == model.pk), None)


def changes(
    wanted: Mapping[LanguageModel, State],
    *,
    cause: Cause,
    reasons: Mapping[LanguageModel, str] | str = "",
    contexts: Mapping[LanguageModel, int | None] | None = None,
    asked: datetime | None = None,
) -> list[StateChange]:
    """The same for many models, in a few statements; gives the rows of those that were in another state.

    A model is in the memory of its server, so its rows in other registries change with it. Who looked at a server
    says when it `asked` (by the database's clock): what changed since then is newer than what was seen, and stays.
    """
    wishes: dict[Who, Wish] = {}
    for model, new in wanted.items():
        reason = reasons if isinstance(reasons, str) else reasons.get(model, "")
        wishes[_who(model)] = (new, reason[:LONGEST], (contexts or {}).get(model))
    rows: list[StateChange] = []
    with transaction.atomic():
        # servers before models, as scans do: so writers of several models never wait for each other in a circle
        servers = {model.server_id for model in wanted if model.server_id is not None}
        list(Server.objects.select_for_update(no_key=True).filter(pk__in=servers).order_by("pk").values("pk"))
        for batch in batches(wanted):
            rows += _changed(batch, wishes, cause, asked)
        rows = StateChange.objects.bulk_create(rows, batch_size=BATCH)
        for row in rows[:TOLD_SINGLY]:
            announcing.announce("state", row.model_id or 0, state=row.new)
        notifying.state_changes(rows)
    _note_on(wanted, rows)
    return rows


def _who(model: LanguageModel) -> Who:
    """What is one model to its server, whichever registry the row is in; without a server each row is its own."""
    return (model.server_id, model.key, model.variant) if model.server_id is not None else (None, str(model.pk), "")


def _changed(
    batch: Sequence[LanguageModel], wishes: Mapping[Who, Wish], cause: Cause, asked: datetime | None
) -> list[StateChange]:
    """Writes the states of these models and of their rows in other registries; gives what is to be logged."""
    servers = {model.server_id for model in batch if model.server_id is not None}
    there = Q(server__in=servers, key__in={model.key for model in batch})
    same = LanguageModel.objects.filter(Q(pk__in=[model.pk for model in batch]) | there)
    clocked = same.annotate(clock=Now()).only("server", "key", "variant", "state", "state_since", "state_error")
    rows, differing = [], []
    for model in clocked.select_for_update(no_key=True).order_by("pk"):
        wish = wishes.get(_who(model))
        if wish is None or (asked and model.state_since and model.state_since > asked):
            continue
        (new, reason, context), old, now = wish, State(model.state), vars(model)["clock"]
        error = reason if new == State.ERROR else ""
        if old == new and model.state_error == error:
            continue
        if old != new:
            model.state, model.state_since = new, now
            rows.append(
                StateChange(
                    model=model, server_id=model.server_id, model_key=model.key, old=old, new=new, cause=cause,
                    reason=reason, context_length=context, at=now,
                )
            )  # fmt: skip
        model.state_error = error
        differing.append(model)
    LanguageModel.objects.bulk_update(differing, ["state", "state_since", "state_error"], batch_size=BATCH // 5)
    return rows


def _note_on(models: Mapping[LanguageModel, State], rows: Sequence[StateChange]) -> None:
    """The objects at hand show what was written."""
    changed = {row.model_id: row for row in rows}
    for model in models:
        if row := changed.get(model.pk):
            model.state, model.state_since = row.new, row.at
            model.state_error = row.reason if row.new == State.ERROR else ""


def timeline(model: LanguageModel, since: datetime) -> list[Span]:
    """What `model` was from `since` on, oldest first; nothing is said of the time before it was known."""
    log = StateChange.objects.filter(model=model, at__gt=since).order_by("-at", "-pk")
    rows = list(reversed(log.values_list("old", "new", "at")[:MOST]))
    start = rows[0][2] if len(rows) == MOST else max(since, model.added)
    state = State(rows[0][0] if rows else model.state)
    spans: list[Span] = []
    for _, new, at in rows:
        if at > start:
            spans.append(Span(state, start, at))
            start = at
        state = State(new)
    return [*spans, *_last(model, Span(state, start, None))]


def cut(spans: Iterable[Span], since: datetime) -> list[Span]:
    """The part of a timeline from `since` on."""
    later = [span for span in spans if span.ended is None or span.ended > since]
    return [replace(span, began=max(span.began, since)) for span in later]


def _last(model: LanguageModel, span: Span) -> list[Span]:
    """The stretch that lasts; what it is since the server stopped answering is not known."""
    silent = model.server is not None and model.server.reachable is False
    if not silent:
        return [span]
    seen = model.server.last_seen if model.server else None
    if seen is None or seen <= span.began:
        return [replace(span, known=False)]
    return [replace(span, ended=seen), Span(span.state, seen, None, known=False)]


def loaded_since(model: LanguageModel) -> datetime | None:
    """Since when it is in memory without a break, as far as the log goes; None while it is not."""
    if model.state not in IN_MEMORY:
        return None
    came = StateChange.objects.filter(model=model, new__in=IN_MEMORY).exclude(old__in=IN_MEMORY)
    return came.order_by("-at").values_list("at", flat=True).first() or model.state_since


def last_used(model: LanguageModel) -> datetime | None:
    """The last request to it that LMStrix knows of."""
    copies = Instance.objects.filter(model=model).aggregate(last=Max("last_used"))["last"]
    records = InferenceRecord.objects.filter(model=model).order_by("-started")
    noted = records.values_list("started", flat=True).first()
    return max((at for at in (copies, noted) if at is not None), default=None)


def idle_seconds(model: LanguageModel) -> float | None:
    """For how long it is in memory without a request that LMStrix knows of; None while it is not in memory."""
    if model.state not in IN_MEMORY:
        return None
    if model.state == State.ACTIVE:
        return 0.0
    moments = [at for at in (loaded_since(model), last_used(model)) if at is not None]
    idle = timezone.now() - max(moments) if moments else None
    return None if idle is None else max(idle, timedelta()).total_seconds()
