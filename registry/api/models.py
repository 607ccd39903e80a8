"""Models over REST."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from registry import editing, filters, suggesting, tallying
from registry.api.access import Request, operation
from registry.api.fields import MAX_INT64, NO_NUL, Body, Id, Name, Text
from registry.api.lists import Items, Listing, as_answer, found, listed
from registry.api.model_shapes import ModelShape, rows
from registry.api.problems import conflicts
from registry.api.registries import registry_named
from registry.filtering import filtered
from registry.models import LanguageModel, Role
from registry.models.registry import DEFAULT
from registry.ordering import SORTS, sortable

__all__ = ["ModelShape", "router", "rows"]

router = Router(tags=["models"])


def _readable(text: str) -> str:
    try:
        filters.parse(text)
    except filters.BadFilter as bad:
        raise PydanticCustomError("filter", "{text}", {"text": str(bad).rstrip(".")}) from bad
    return text


Typed = Annotated[str, Field(max_length=filters.LONGEST, pattern=NO_NUL)]
Filter = Annotated[
    Typed,
    AfterValidator(_readable),
    Field(description="`status:tested,size:>5GB,tag:llama,chat`, or words that the name or key contains"),
]


class ModelsWanted(Listing):
    """Filters and order of the list of models."""

    registry: Text = DEFAULT
    filter: Filter = ""
    key: Annotated[Text | None, Field(description="`key`, `server/key` or `server/key@variant`")] = None
    sort: Annotated[str, Field(json_schema_extra={"enum": list(SORTS)}, max_length=20)] = "name"
    reverse: bool = False


Long = Annotated[str, Field(max_length=20_000, pattern=NO_NUL)]
Fact = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
Size = Annotated[int, Field(ge=0, le=MAX_INT64)]
TypeName = Literal["chat", "code", "completion", "embedding", "vision"]


class EditedModel(Body):
    """What changes of a model; null makes a fact unknown."""

    name: Annotated[Fact, Field(min_length=1)] = ""
    description: Long | None = None
    type: TypeName | None = None
    architecture: Annotated[Fact, Field(max_length=200)] | None = None
    parameters: Annotated[Fact, Field(max_length=50)] | None = None
    quantization: Annotated[Fact, Field(max_length=100)] | None = None
    size_bytes: Size | None = None
    declared_context: Size | None = None
    notes: Long | None = None
    favourite: bool = False
    pinned: bool = False


class NewModel(EditedModel):
    """A model that no server offers."""

    key: Annotated[Fact, Field(min_length=1)]
    registry: Text = DEFAULT
    variant: Fact = ""
    publisher: Fact | None = None
    vision: bool | None = None
    tool_use: bool | None = None
    tags: Annotated[list[Name], Field(max_length=100)] = []


@operation(router.get, "", role=Role.VIEWER, answers=Items[ModelShape], also=(404,))
def list_models(request: Request, wanted: Query[ModelsWanted]) -> HttpResponse:
    """Models of one registry."""
    models = LanguageModel.objects.filter(registry=registry_named(wanted.registry))
    if wanted.key is not None:
        models = models.named(wanted.key)
    models, shown = (sortable(each, wanted.sort) for each in (filtered(models, wanted.filter), rows()))
    order: Any = {"sort": wanted.sort, "reverse": wanted.reverse, "columns": SORTS}
    return as_answer(listed(ModelShape, models, wanted, **order, shown=shown))


class Hint(BaseModel):
    """A piece that can be written where the filter ends, what it means, and the whole filter with it."""

    insert: str
    meaning: str
    text: str


class Hints(BaseModel):
    """What can follow a filter that is being typed: what is written now, what can be, and the keys not used yet."""

    title: str
    items: list[Hint]
    keys: list[str]


@operation(router.get, "/suggest", role=Role.VIEWER, answers=Hints, also=(404,))
def suggest(request: Request, filter: Typed = "", registry: Text = DEFAULT) -> Hints:
    """What can be written next in a filter, whether or not it can be read already."""
    hints = suggesting.suggest(filter, tallying.known_values(registry_named(registry)))
    items = [Hint(insert=each.insert, meaning=each.meaning, text=each.text) for each in hints.items]
    return Hints(title=hints.title, items=items, keys=list(hints.keys))


@operation(router.get, "/{int:id}", role=Role.VIEWER, answers=ModelShape)
def get_model(request: Request, id: Id) -> ModelShape:
    """One model, with what is known of it."""
    return ModelShape.of(found(rows(), "model", pk=id))


@operation(router.post, "", role=Role.ADMIN, answers=ModelShape, status=201, also=(404, 409))
def add_model(request: Request, new: NewModel) -> Status[ModelShape]:
    """Adds a custom model: one that no server offers."""
    fields = new.model_dump(exclude={"registry"}, exclude_unset=True)
    with conflicts():
        model = editing.add_custom(registry_named(new.registry), fields)
    return Status(201, ModelShape.of(rows().get(pk=model.pk)))


@operation(router.patch, "/{int:id}", role=Role.OPERATOR, answers=ModelShape, also=(409,))
def edit_model(request: Request, id: Id, body: EditedModel) -> ModelShape:
    """Sets notes and marks, and what a person knows better; scans leave those facts alone from then on.

    Size and declared context can be set for custom models only.
    """
    model = found(LanguageModel.objects.all(), "model", pk=id)
    with conflicts():
        editing.edit(model, **body.model_dump(exclude_unset=True))
    return ModelShape.of(rows().get(pk=id))


@operation(router.delete, "/{int:id}", role=Role.ADMIN, answers=None, status=204, also=(409,))
def delete_model(request: Request, id: Id) -> Status[None]:
    """Forgets a model that its server no longer offers, or a custom one, with its test results.

    A snapshot of the registry is taken before.
    """
    with conflicts():
        editing.forget([found(LanguageModel.objects.all(), "model", pk=id)])
    return Status(204, None)
