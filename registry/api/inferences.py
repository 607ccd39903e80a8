"""Requests to models that a program made by itself, recorded over REST."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Body as FromBody
from ninja import Router
from pydantic import BaseModel, Discriminator, Field, Tag

from registry import recording
from registry.api.access import Request, operation
from registry.api.fields import Body, Id, Text
from registry.api.registries import registry_named
from registry.models import Role
from registry.models.registry import DEFAULT

router = Router(tags=["usage"])

Tokens = Annotated[int, Field(ge=0, le=recording.MOST_TOKENS)]
Duration = Annotated[float, Field(ge=0, le=recording.MOST_SECONDS, allow_inf_nan=False)]


class Inference(Body):
    """One request: `model` is an id (number or text); a total that is not told apart is `tokens_processed`."""

    model: Id | Annotated[Text, Field(min_length=1)]
    tokens_processed: Tokens | None = None
    tokens_in: Tokens | None = None
    tokens_out: Tokens | None = None
    inference_time: Annotated[Duration | None, Field(description="seconds from request to last byte")] = None
    ttft: Annotated[Duration | None, Field(description="seconds until the first token")] = None
    timestamp: Annotated[Text | None, Field(description="ISO 8601, without a zone UTC; now when not told")] = None
    success: bool | None = None
    error: Text | None = None
    uuid: Annotated[Text | None, Field(description="told again, nothing changes")] = None


class Recorded(BaseModel):
    """How many were new, and how many had been recorded before (by their `uuid`)."""

    recorded: int
    known: int


def _shape(told: Any) -> str:
    return "list" if isinstance(told, list) else "one"


Several = Annotated[list[Inference], Field(max_length=recording.MOST_AT_ONCE), Tag("list")]
Told = Annotated[Annotated[Inference, Tag("one")] | Several, Discriminator(_shape)]  # a fault is told of one shape


@operation(router.post, "", role=Role.OPERATOR, answers=Recorded, also=(404,))
def record_inferences(request: Request, told: Annotated[Told, FromBody(...)], registry: Text = DEFAULT) -> Recorded:
    """Records one request, or a list of up to 10,000: all of them, or none when one is wrong."""
    each = [one.model_dump(exclude_none=True) for one in (told if isinstance(told, list) else [told])]
    new = recording.record_many(registry_named(registry), each, token=request.auth.token)
    return Recorded(recorded=new, known=len(each) - new)
