"""Registries over REST."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Avg, Count, Max, Q, QuerySet, Sum
from ninja import Query, Router
from pydantic import BaseModel

from registry.api.access import Request, operation
from registry.api.fields import Text
from registry.api.lists import Items, Listing, found, listed
from registry.models import LanguageModel, Registry, Role, Scan
from registry.models.language_model import CheckStatus
from registry.models.registry import DEFAULT

router = Router(tags=["registries"])


class RegistryShape(BaseModel):
    """A named set of models."""

    name: str
    created: datetime
    models: int

    @classmethod
    def of(cls, registry: Registry) -> RegistryShape:
        """From a row of `_rows()`."""
        return cls(name=registry.name, created=registry.created, models=registry.size)  # type: ignore[attr-defined]


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


@operation(router.get, "/{path:name}/stats", role=Role.VIEWER, answers=Statistics)
def registry_statistics(request: Request, name: Text) -> Statistics:
    """How many models there are, and how many of them are tested."""
    registry = registry_named(name)
    everything = LanguageModel.objects.filter(registry=registry).order_by()
    models = everything.present()
    sums = models.aggregate(
        total_models=Count("pk"),
        tested_models=Count("pk", filter=Q(test_status=CheckStatus.TESTED)),
        untested_models=Count("pk", filter=Q(test_status=CheckStatus.UNTESTED)),
        testing_models=Count("pk", filter=Q(test_status=CheckStatus.TESTING)),
        failed_tests=Count("pk", filter=Q(test_status=CheckStatus.FAILED)),
        stale_tests=Count("pk", filter=Q(stale=True)),
        total_size_bytes=Sum("size_bytes"),
        mean=Avg("tested_context"),
    )
    mean = sums.pop("mean")
    return Statistics(
        **sums,
        missing_models=everything.filter(missing=True).count(),
        avg_context_limit=None if mean is None else round(mean),
        types=dict(models.exclude(type="").values_list("type").annotate(Count("pk"))),
        servers=dict(models.exclude(server=None).values_list("server__name").annotate(Count("pk"))),
        total_inference_count=None,
        last_scan=Scan.objects.filter(registry=registry).aggregate(last=Max("created"))["last"],
    )


# a registry bound to a file has a path for a name; so this comes after the addresses that end in a word
@operation(router.get, "/{path:name}", role=Role.VIEWER, answers=RegistryShape)
def get_registry(request: Request, name: Text) -> RegistryShape:
    """One registry."""
    return RegistryShape.of(_rows().get(pk=registry_named(name).pk))
