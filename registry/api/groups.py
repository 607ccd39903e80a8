"""Groups over REST; `name` in an address may hold slashes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.db.models import Count, QuerySet
from django.http import Http404
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from registry import grouping
from registry.api.access import Request, operation
from registry.api.fields import NO_NUL, Body, Id, Name, Text
from registry.api.lists import Items, Listing, listed
from registry.api.model_shapes import ModelShape, rows
from registry.api.problems import conflicts
from registry.api.registries import registry_named
from registry.api.tags import models_with
from registry.models import Group, LanguageModel, Role
from registry.models.registry import DEFAULT
from registry.naming import checked

router = Router(tags=["groups"])

Ids = Annotated[list[Id], Field(max_length=10_000)]
Prose = Annotated[str, Field(max_length=10_000, pattern=NO_NUL)]


class GroupShape(BaseModel):
    """A named, ordered set of models of one registry; `models` counts them."""

    id: int
    name: str
    registry: str
    description: str
    models: int
    created: datetime
    updated: datetime

    @classmethod
    def of(cls, group: Group) -> GroupShape:
        """From a row of `_rows()`."""
        own = {name: getattr(group, name) for name in ("name", "description", "created", "updated")}
        count = group.count  # type: ignore[attr-defined]
        return cls(id=group.pk, registry=group.registry.name, models=count, **own)


class NewGroup(Body):
    """A group to make, with the ids of its models in their order."""

    name: Name
    models: Ids = []
    description: Prose = ""
    registry: Text = DEFAULT


class GroupChange(Body):
    """What is to change; what is left out stays. `models` is the whole new order, or the first ones of it."""

    name: Name | None = None
    description: Prose | None = None
    models: Ids | None = None


class MembersBody(Body):
    """The ids of models."""

    models: Annotated[list[Id], Field(min_length=1, max_length=10_000)]


class GroupsWanted(Listing):
    """Which groups are listed."""

    registry: Text = DEFAULT


class MembersWanted(GroupsWanted):
    """Which part of the models of a group is wanted."""


def _rows() -> QuerySet[Group]:
    return Group.objects.select_related("registry").annotate(count=Count("members"))


def _shape(group: Group) -> GroupShape:
    return GroupShape.of(_rows().get(pk=group.pk))


def group_named(registry: str, name: str) -> Group:
    """The group of this name; Http404 that names those there are."""
    try:
        return grouping.group_named(registry_named(registry), name)
    except ValueError as error:
        raise Http404(str(error)) from error


@operation(router.get, "", role=Role.VIEWER, answers=Items[GroupShape], also=(404,))
def list_groups(request: Request, wanted: Query[GroupsWanted]) -> Items[GroupShape]:
    """Groups of one registry by name."""
    groups = _rows().filter(registry=registry_named(wanted.registry))
    return listed(GroupShape, groups, wanted, sort="name", columns={"name": "name"})


@operation(router.post, "", role=Role.OPERATOR, answers=GroupShape, status=201, also=(404, 409))
def create_group(request: Request, new: NewGroup) -> Status[GroupShape]:
    """Makes a group."""
    checked("group", new.name)
    with conflicts():
        models = models_with(new.models)
        group = grouping.create_group(registry_named(new.registry), new.name, models, new.description)
    return Status(201, _shape(group))


# these come before the addresses that end in the name, which may hold slashes
@operation(router.get, "/{path:name}/models", role=Role.VIEWER, answers=Items[ModelShape])
def models_of_group(request: Request, name: Text, wanted: Query[MembersWanted]) -> Items[ModelShape]:
    """The models of a group, in its order."""
    members = grouping.models_of(group_named(wanted.registry, name), rows())
    return listed(ModelShape, members, wanted, sort="place", columns={"place": "place"})


@operation(router.post, "/{path:name}/models", role=Role.OPERATOR, answers=GroupShape, also=(409,))
def add_to_group(request: Request, name: Text, body: MembersBody, registry: Text = DEFAULT) -> GroupShape:
    """Puts models at the end of a group; those in it already stay where they are."""
    group = group_named(registry, name)
    with conflicts():
        grouping.add_to_group(group, models_with(body.models))
    return _shape(group)


@operation(router.delete, "/{path:name}/models", role=Role.OPERATOR, answers=GroupShape, also=(409,))
def remove_from_group(request: Request, name: Text, body: MembersBody, registry: Text = DEFAULT) -> GroupShape:
    """Takes models out of a group; those not in it are passed over."""
    group = group_named(registry, name)
    grouping.remove_from_group(group, LanguageModel.objects.filter(pk__in=body.models))
    return _shape(group)


@operation(router.get, "/{path:name}", role=Role.VIEWER, answers=GroupShape)
def get_group(request: Request, name: Text, registry: Text = DEFAULT) -> GroupShape:
    """One group."""
    return _shape(group_named(registry, name))


@operation(router.patch, "/{path:name}", role=Role.OPERATOR, answers=GroupShape, also=(409,))
def change_group(request: Request, name: Text, change: GroupChange, registry: Text = DEFAULT) -> GroupShape:
    """Renames a group, describes it or orders its models anew."""
    group = group_named(registry, name)
    if change.name is not None:
        checked("group", change.name)
    with conflicts():
        grouping.edit_group(group, name=change.name, description=change.description)
        if change.models is not None:
            grouping.reorder(group, change.models)
    return _shape(group)


@operation(router.delete, "/{path:name}", role=Role.OPERATOR, answers=None, status=204, also=(409,))
def delete_group(request: Request, name: Text, registry: Text = DEFAULT) -> Status[None]:
    """Deletes a group; its models stay."""
    grouping.delete_group(group_named(registry, name))
    return Status(204, None)
