"""Registries over REST."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Q, QuerySet
from ninja import Query, Router, Status
from pydantic import BaseModel

from registry import counting, registries
from registry.api.access import Request, operation
from registry.api.fields import Body, Name, Text
from registry.api.lists import Items, Listing, found, listed
from registry.api.problems import conflicts
from registry.models import Registry, Role
from registry.models.registry import DEFAULT

router = Router(tags=["registries"])


class RegistryShape(BaseModel):
    """A named set of models."""

    name: str
    path: str | None
    created: datetime
    updated: datetime
    version: int
    models: int

    @classmethod
    def of(cls, registry: Registry) -> RegistryShape:
        """From a row of `_rows()`; `version` counts the changes, `path` is the file that it is bound to."""
        return cls(
            name=registry.name,
            path=registry.path or None,
            created=registry.created,
            updated=registry.updated,
            version=registry.version,
            models=registry.size,  # type: ignore[attr-defined]
        )


class RegistryName(Body):
    """What a registry is called."""

    name: Name


class Statistics(BaseModel):
    """A registry in numbers; null means unknown. Missing models count in `missing_models` only."""

    total_models: int
    tested_models: int
    untested_models: int
    testing_models: int
    failed_tests: int
    stale_tests: int
    missing_models: int
    avg_context_limit: int | None
    total_size_bytes: int | None
    types: dict[str, int]
    servers: dict[str, int]
    total_inference_count: int | None
    last_scan: datetime | None


def registry_named(name: str) -> Registry:
    """The registry of this name, or Http404; the default one is there from the start."""
    return Registry.objects.default() if name == DEFAULT else found(Registry.objects.all(), "registry", name=name)


def _rows() -> QuerySet[Registry]:
    return Registry.objects.annotate(size=Count("models", filter=Q(models__missing=False)))


@operation(router.get, "", role=Role.VIEWER, answers=Items[RegistryShape])
def list_registries(request: Request, wanted: Query[Listing]) -> Items[RegistryShape]:
    """Registries by name."""
    return listed(RegistryShape, _rows(), wanted, sort="name", columns={"name": "name"})


@operation(router.post, "", role=Role.ADMIN, answers=RegistryShape, status=201, also=(409,))
def create_registry(request: Request, registry: RegistryName) -> Status[RegistryShape]:
    """An empty registry."""
    with conflicts():
        created = registries.create_registry(registry.name)
    return Status(201, RegistryShape.of(_rows().get(pk=created.pk)))


@operation(router.get, "/{path:name}/stats", role=Role.VIEWER, answers=Statistics)
def registry_statistics(request: Request, name: Text) -> Statistics:
    """How many models there are, and how many of them are tested."""
    return Statistics(**counting.statistics(registry_named(name)))


# a registry bound to a file has a path for a name; so this comes after the addresses that end in a word
@operation(router.get, "/{path:name}", role=Role.VIEWER, answers=RegistryShape)
def get_registry(request: Request, name: Text) -> RegistryShape:
    """One registry."""
    return RegistryShape.of(_rows().get(pk=registry_named(name).pk))


@operation(router.patch, "/{path:name}", role=Role.ADMIN, answers=RegistryShape, also=(409,))
def rename_registry(request: Request, name: Text, change: RegistryName) -> RegistryShape:
    """Gives a registry another name; the default one and those bound to files keep theirs."""
    registry = registry_named(name)
    with conflicts():
        registries.rename_registry(registry, change.name)
    return RegistryShape.of(_rows().get(pk=registry.pk))


@operation(router.delete, "/{path:name}", role=Role.ADMIN, answers=None, status=204, also=(409,))
def delete_registry(request: Request, name: Text) -> Status[None]:
    """Deletes a registry with its models, test results, groups, profiles and snapshots; never the default one."""
    with conflicts():
        registries.delete_registry(registry_named(name))
    return Status(204, None)
