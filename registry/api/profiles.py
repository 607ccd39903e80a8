"""Profiles over REST; `name` in an address may hold slashes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.db.models import QuerySet
from django.http import Http404
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from registry import profiling, resolving
from registry.api.access import Request, operation
from registry.api.fields import NO_NUL, Body, Bytes, Name, Text, Word
from registry.api.groups import Prose
from registry.api.lists import Items, Listing, listed
from registry.api.problems import conflicts
from registry.api.registries import registry_named
from registry.models import Profile, Role
from registry.models.registry import DEFAULT

router = Router(tags=["profiles"])

Tokens = Annotated[int, Field(ge=1, le=profiling.MOST_TOKENS)]
ModelName = Annotated[str, Field(min_length=1, max_length=profiling.LONGEST_ID, pattern=NO_NUL)]
Preferred = Annotated[list[ModelName], Field(max_length=profiling.MOST_PREFERRED)]
Words = Annotated[list[Word], Field(max_length=100)]
Need = Literal["tools", "vision", "reasoning"]


class ProfileShape(BaseModel):
    """A purpose: preferred models first, then whatever meets the requirements; null asks for nothing."""

    id: int
    name: str
    registry: str
    description: str
    preferred_models: list[str]
    max_context: int | None
    temperature: float | None
    needs: list[str]
    min_tested_context: int | None
    min_tokens_per_second: float | None
    max_memory_bytes: int | None
    tags: list[str]
    servers: list[str]
    created: datetime
    updated: datetime

    @classmethod
    def of(cls, profile: Profile) -> ProfileShape:
        own = {name: getattr(profile, name) for name in cls.model_fields if name not in ("id", "registry")}
        return cls(id=profile.pk, registry=profile.registry.name, **own)


class ProfileChange(Body):
    """What is to change; what is left out stays, null takes a limit away."""

    name: Name | None = None
    description: Prose = ""
    preferred_models: Preferred = []
    max_context: Annotated[Tokens | None, Field(description="tokens that a request may take")] = None
    temperature: Annotated[float | None, Field(ge=0, le=2, allow_inf_nan=False)] = None
    needs: Annotated[list[Need], Field(max_length=3)] = []
    min_tested_context: Annotated[Tokens | None, Field(description="verified tokens")] = None
    min_tokens_per_second: Annotated[float | None, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = None
    max_memory_bytes: Annotated[Bytes | None, Field(description="peak measured, else the size of the file")] = None
    tags: Annotated[Words, Field(description="all of these")] = []
    servers: Annotated[Words, Field(description="names; one of these")] = []


class NewProfile(ProfileChange):
    """A profile to make."""

    name: Name
    registry: Text = DEFAULT


class NamedModel(BaseModel):
    """A model by its ids; `public_id` is its name in commands and files."""

    id: int
    public_id: str
    key: str
    server: str | None


class PassedOverModel(NamedModel):
    """A model that was not taken: the whole reason, and what kind of reason it is."""

    reason: str
    kind: str


class ResolutionShape(BaseModel):
    """The model that a profile means now (null: none), and why no other; `kinds` counts the reasons of all."""

    profile: str
    model: NamedModel | None
    why: str
    runner_up: NamedModel | None
    warning: str
    unknown: Annotated[list[str], Field(description="preferred ids that mean no model")]
    passed_over: list[PassedOverModel]
    passed_over_total: int
    kinds: dict[str, int]


class ProfilesWanted(Listing):
    """Which profiles are listed."""

    registry: Text = DEFAULT


class ReasonsWanted(BaseModel):
    """How many reasons are wanted."""

    limit: Annotated[int, Field(ge=0, le=10_000)] = 50
    registry: Text = DEFAULT


def _rows() -> QuerySet[Profile]:
    return Profile.objects.select_related("registry")


def profile_named(registry: str, name: str) -> Profile:
    """The profile of this name; Http404 that names those there are."""
    try:
        return profiling.profile_named(registry_named(registry), name)
    except ValueError as error:
        raise Http404(str(error)) from error


@operation(router.get, "", role=Role.VIEWER, answers=Items[ProfileShape], also=(404,))
def list_profiles(request: Request, wanted: Query[ProfilesWanted]) -> Items[ProfileShape]:
    """Profiles of one registry by name."""
    profiles = _rows().filter(registry=registry_named(wanted.registry))
    return listed(ProfileShape, profiles, wanted, sort="name", columns={"name": "name"})


@operation(router.post, "", role=Role.OPERATOR, answers=ProfileShape, status=201, also=(404, 409))
def create_profile(request: Request, new: NewProfile) -> Status[ProfileShape]:
    """Makes a profile."""
    registry = registry_named(new.registry)
    fields = new.model_dump(exclude={"name", "registry"}, exclude_unset=True)
    with conflicts():
        profiling.refuse_taken(registry, new.name)
    return Status(201, ProfileShape.of(profiling.save_profile(registry, new.name, **fields)))


# this comes before the addresses that end in the name, which may hold slashes
@operation(router.get, "/{path:name}/resolve", role=Role.VIEWER, answers=ResolutionShape)
def resolve_profile(request: Request, name: Text, wanted: Query[ReasonsWanted]) -> ResolutionShape:
    """The model to use now for this purpose, and why every other one was passed over, the nearest first."""
    found = resolving.resolve(profile_named(wanted.registry, name))
    return ResolutionShape.model_validate(found.told(wanted.limit))


@operation(router.get, "/{path:name}", role=Role.VIEWER, answers=ProfileShape)
def get_profile(request: Request, name: Text, registry: Text = DEFAULT) -> ProfileShape:
    """One profile."""
    return ProfileShape.of(profile_named(registry, name))


@operation(router.patch, "/{path:name}", role=Role.OPERATOR, answers=ProfileShape, also=(409,))
def change_profile(request: Request, name: Text, change: ProfileChange, registry: Text = DEFAULT) -> ProfileShape:
    """Changes a profile."""
    profile = profile_named(registry, name)
    fields = change.model_dump(exclude={"name"}, exclude_unset=True)
    with conflicts():
        profiling.refuse_taken(profile.registry, change.name or profile.name, profile)
    new_name = change.name or profile.name
    return ProfileShape.of(profiling.save_profile(profile.registry, new_name, profile=profile, **fields))


@operation(router.delete, "/{path:name}", role=Role.OPERATOR, answers=None, status=204, also=(409,))
def delete_profile(request: Request, name: Text, registry: Text = DEFAULT) -> Status[None]:
    """Deletes a profile; models stay."""
    profiling.delete_profile(profile_named(registry, name))
    return Status(204, None)
