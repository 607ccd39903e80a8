"""States of models over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, cast

from ninja import Query, Router
from pydantic import BaseModel, Field

from registry import states
from registry.api.access import Request, operation
from registry.api.fields import Id
from registry.api.lists import Items, Listing, found, listed
from registry.models import LanguageModel, Role, StateChange

router = Router(tags=["models"])

CauseName = Literal["us", "seen", "gateway", "policy", "experiment"]


class StateChangeShape(BaseModel):
    """One change of a model's state; `context_length` is what was in force after a load, in tokens."""

    id: int
    at: datetime
    old: str
    new: str
    cause: CauseName
    reason: str | None
    context_length: int | None

    @classmethod
    def of(cls, change: StateChange) -> StateChangeShape:
        return cls(
            id=change.pk, at=change.at, old=change.old, new=change.new, cause=cast(CauseName, change.cause),
            reason=change.reason or None, context_length=change.context_length,
        )  # fmt: skip


class StatesOfModel(Items[StateChangeShape]):
    """What a model is now, and its changes, newest first; `idle_seconds` is null while it is not in memory."""

    state: str
    state_since: datetime | None
    error: str | None
    loaded_since: datetime | None
    last_used: datetime | None
    idle_seconds: float | None


class StatesWanted(Listing):
    """Which changes are wanted."""

    cause: Annotated[CauseName | None, Field(description="only changes by this cause")] = None


@operation(router.get, "/{int:id}/states", role=Role.VIEWER, answers=StatesOfModel)
def model_states(request: Request, id: Id, wanted: Query[StatesWanted]) -> StatesOfModel:
    """What a model does in memory, and what it did: every change that was seen or made, newest first."""
    model = found(LanguageModel.objects.all(), "model", pk=id)
    rows = StateChange.objects.filter(model=model, **({"cause": wanted.cause} if wanted.cause else {}))
    page = listed(StateChangeShape, rows, wanted, reverse=True)
    return StatesOfModel(
        items=page.items, next=page.next, total=page.total, state=model.state, state_since=model.state_since,
        error=model.state_error or None, loaded_since=states.loaded_since(model), last_used=states.last_used(model),
        idle_seconds=states.idle_seconds(model),
    )  # fmt: skip
