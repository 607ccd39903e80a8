"""Tags over REST."""

from __future__ import annotations

from typing import Annotated, Literal

from ninja import Query, Router
from pydantic import BaseModel, Field

from registry import filtering, tagging
from registry.api.access import Request, operation
from registry.api.fields import Body, Id, Text, Word
from registry.api.lists import found
from registry.api.registries import registry_named
from registry.models import LanguageModel, Role
from registry.models.registry import DEFAULT

router = Router(tags=["tags"])
of_models = Router(tags=["tags"])  # below /models

Names = Annotated[list[Word], Field(min_length=1, max_length=100)]
FamilyName = Literal["custom", "architecture", "size", "type", "capability", "performance"]


class TagShape(BaseModel):
    """A tag on a model; `reason` says by which fact an automatic one was given."""

    name: str
    family: str
    reason: str


class CountedTag(BaseModel):
    """A tag of a registry and how many models have it."""

    name: str
    family: str
    models: int


class Counted(BaseModel):
    """All tags of a registry, custom ones first."""

    items: list[CountedTag]
    total: int


class Tagged(BaseModel):
    """How many models were looked at, and how many tags were added and removed."""

    models: int
    added: int
    removed: int


class TagsBody(Body):
    """Names of tags; capitals do not matter."""

    tags: Names


class TagsWanted(BaseModel):
    """Which tags are listed."""

    registry: Text = DEFAULT
    family: FamilyName | None = None


class ManyTagsBody(Body):
    """Tags to put on several models and to take off them: by `models`, or by a `filter` over a registry."""

    models: Annotated[list[Id] | None, Field(min_length=1, max_length=10_000)] = None
    filter: Text | None = None
    add: Annotated[list[Word], Field(max_length=100)] = []
    remove: Annotated[list[Word], Field(max_length=100)] = []
    registry: Text = DEFAULT


class RenameBody(Body):
    """Another name for a custom tag on all models of a registry."""

    tag: Word
    name: Word
    registry: Text = DEFAULT


@operation(router.get, "", role=Role.VIEWER, answers=Counted, also=(404,))
def list_tags(request: Request, wanted: Query[TagsWanted]) -> Counted:
    """The tags of one registry with the number of their models."""
    tags = [tag for tag in tagging.tags_of(registry_named(wanted.registry)) if wanted.family in (None, tag.family)]
    return Counted(items=[CountedTag(**tag._asdict()) for tag in tags], total=len(tags))


@operation(router.post, "/apply", role=Role.OPERATOR, answers=Tagged, also=(404, 409))
def apply_tags(request: Request, body: ManyTagsBody) -> Tagged:
    """Adds tags to many models and removes tags from them."""
    if not body.add and not body.remove:
        raise ValueError("Name the tags to add or to remove.")
    models = _chosen(body)
    added = tagging.add_tags(models, body.add) if body.add else 0
    removed = tagging.remove_tags(models, body.remove) if body.remove else 0
    return Tagged(models=len(models), added=added, removed=removed)


def _chosen(body: ManyTagsBody) -> list[LanguageModel]:
    if (body.models is None) == (body.filter is None):
        raise ValueError("Name the models by their ids in `models`, or by a `filter`; one of the two.")
    if body.filter is not None:
        return list(filtering.filtered(registry_named(body.registry).models.all(), body.filter))
    return models_with(body.models or [])


def models_with(ids: list[int]) -> list[LanguageModel]:
    """The models with these ids in their order; Http404 that names those that are not there."""
    models = LanguageModel.objects.in_bulk(ids)
    for each in ids:
        if each not in models:
            found(LanguageModel.objects.none(), "model", pk=each)
    return [models[each] for each in dict.fromkeys(ids)]


@operation(router.post, "/rename", role=Role.OPERATOR, answers=Tagged, also=(404, 409))
def rename_tag(request: Request, body: RenameBody) -> Tagged:
    """Renames a custom tag on all models of a registry."""
    count = tagging.rename_tag(registry_named(body.registry), body.tag, body.name)
    return Tagged(models=count, added=count, removed=count)


@operation(router.delete, "", role=Role.OPERATOR, answers=Tagged, also=(404, 409))
def delete_tag(request: Request, tag: Word, registry: Text = DEFAULT) -> Tagged:
    """Takes a custom tag off all models of a registry."""
    count = tagging.delete_tag(registry_named(registry), tag)
    return Tagged(models=count, added=0, removed=count)


@operation(of_models.get, "/{int:id}/tags", role=Role.VIEWER, answers=list[TagShape])
def tags_of_model(request: Request, id: Id) -> list[TagShape]:
    """The tags of one model, each with its reason."""
    tags = found(LanguageModel.objects.all(), "model", pk=id).tags.order_by("family", "name")
    return [TagShape(name=tag.name, family=tag.family, reason=tag.reason) for tag in tags]


@operation(of_models.post, "/{int:id}/tags", role=Role.OPERATOR, answers=list[TagShape], also=(409,))
def add_tags(request: Request, id: Id, body: TagsBody) -> list[TagShape]:
    """Puts tags on a model; those it has already stay."""
    tagging.add_tags([found(LanguageModel.objects.all(), "model", pk=id)], body.tags)
    return tags_of_model(request, id)


@operation(of_models.delete, "/{int:id}/tags", role=Role.OPERATOR, answers=list[TagShape], also=(409,))
def remove_tags(request: Request, id: Id, body: TagsBody) -> list[TagShape]:
    """Takes custom tags off a model; those it does not have are passed over."""
    tagging.remove_tags([found(LanguageModel.objects.all(), "model", pk=id)], body.tags)
    return tags_of_model(request, id)
