"""Context tests over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.db.models import QuerySet
from ninja import Query, Router, Status
from ninja.errors import HttpError
from pydantic import BaseModel, Field

from registry import grouping
from registry.api.access import Request, operation
from registry.api.fields import Body, Id, Name, Seconds, Text
from registry.api.groups import group_named
from registry.api.jobs import Started, StatusName, started
from registry.api.lists import Items, Listing, found, listed
from registry.api.problems import conflicts
from registry.api.registries import registry_named
from registry.models import LanguageModel, Role
from registry.models.registry import DEFAULT
from testing import context_testing
from testing.models import ContextTest, Probe
from testing.search import GRAIN

router = Router(tags=["context tests"])

Tokens = Annotated[int, Field(ge=GRAIN, le=2**24)]


class ProbeShape(BaseModel):
    """One size tried; null means not measured, `verdict` null means under way. Sizes in tokens, times in seconds."""

    order: int
    kind: str
    requested: int
    applied: int | None
    verdict: str | None
    message: str
    load_seconds: float | None
    answer_seconds: float | None
    sent_tokens: int | None
    input_tokens: int | None
    output_tokens: int | None
    ttft_seconds: float | None
    tokens_per_second: float | None
    recall_found: int | None
    recall_asked: int | None
    needed_bytes: int | None
    peak_memory_bytes: int | None
    loads: int
    started: datetime
    ended: datetime | None

    @classmethod
    def of(cls, probe: Probe) -> ProbeShape:
        values = {name: getattr(probe, name) for name in cls.model_fields}
        return cls.model_validate(values | {"verdict": probe.verdict or None})


class ContextTestShape(BaseModel):
    """A search for the real context window; `status` is that of its job, `model` and `server` are ids."""

    id: int
    model: int
    model_key: str
    server: int
    job: int | None
    status: StatusName | None
    verdict: str | None
    phase: str
    tested_context: int | None
    declared_context: int | None
    iterations: int
    duration: float | None
    threshold: int | None
    ctx: int | None
    force: bool
    timeout: float
    estimate: int | None
    estimate_source: str | None
    recall_found: int | None
    recall_asked: int | None
    ttft_seconds: float | None
    tokens_per_second: float | None
    prefill_tokens_per_second: float | None
    load_seconds: float | None
    peak_memory_bytes: int | None
    created: datetime

    @classmethod
    def of(cls, test: ContextTest) -> ContextTestShape:
        plain = {name: getattr(test, name) for name in cls.model_fields.keys() & _FIELDS}
        told = {"verdict": test.verdict or None, "estimate_source": test.estimate_source or None}
        derived = {
            "model": test.model_id,
            "model_key": test.model.key,
            "declared_context": test.model.declared_context,
            "server": test.server_id,
            "job": test.job_id,
            "status": test.job.status if test.job else None,
            "ctx": test.fixed_context,
            "timeout": test.timeout_seconds,
        }
        return cls.model_validate(plain | told | derived)


_FIELDS = {field.name for field in ContextTest._meta.get_fields()}


class ContextTestDetail(ContextTestShape):
    """A context test with its evidence: `low` is the largest size that works, `high` the smallest that failed."""

    low: int
    high: int | None
    probes: list[ProbeShape]

    @classmethod
    def of(cls, test: ContextTest) -> ContextTestDetail:
        rows = list(test.probes.all())
        search = context_testing.search_of(test, rows)
        probes = [ProbeShape.of(row) for row in rows]
        return cls(**ContextTestShape.of(test).model_dump(), low=search.low, high=search.high, probes=probes)


class OfGroup(Body):
    """All models of a group."""

    group: Name


class NewContextTest(Body):
    """Which models to test, and how: `ctx` tries this one size only, `force` also what the estimate calls unsafe."""

    models: Annotated[list[Id], Field(min_length=1, max_length=10_000)] | Literal["all"] | OfGroup
    threshold: Annotated[Tokens | None, Field(description="never load above this size")] = None
    ctx: Tokens | None = None
    force: bool = False
    timeout: Annotated[Seconds, Field(description="for one load or one answer")] = 1800.0
    registry: Annotated[Text, Field(description='where "all" looks for untested models, and a group is looked for')] = (
        DEFAULT
    )

    def options(self) -> context_testing.Options:
        return context_testing.Options(
            threshold=self.threshold, fixed_context=self.ctx, force=self.force, timeout_seconds=self.timeout
        )


class ContextTestsWanted(Listing):
    """Filters of the list of context tests."""

    model: Id | None = None
    server: Id | None = None
    job: Id | None = None


def _rows() -> QuerySet[ContextTest]:
    return ContextTest.objects.select_related("model", "server", "job")


@operation(router.get, "", role=Role.VIEWER, answers=Items[ContextTestShape])
def list_context_tests(request: Request, wanted: Query[ContextTestsWanted]) -> Items[ContextTestShape]:
    """Context tests, newest first."""
    chosen = wanted.model_dump(include={"model", "server", "job"}, exclude_none=True)
    return listed(ContextTestShape, _rows().filter(**chosen), wanted, reverse=True)


@operation(router.post, "", role=Role.OPERATOR, answers=Started, status=202, also=(404, 409))
def start_context_tests(request: Request, new: NewContextTest) -> Status[Started]:
    """Starts a test of each model; several models make one parent job with a child for each."""
    models = _models(new)
    with conflicts():
        job = context_testing.enqueue(models, new.options(), door="rest", asked_by=request.auth.user)
    return started(job)


def _models(new: NewContextTest) -> list[LanguageModel]:
    if isinstance(new.models, OfGroup):
        return _of_group(new.registry, new.models.group)
    return _untested(new.registry) if new.models == "all" else _chosen(new.models)


def _of_group(registry: str, name: str) -> list[LanguageModel]:
    group = group_named(registry, name)
    models = list(grouping.models_of(group).select_related("server"))
    if not models:
        raise HttpError(409, f"Group {group} has no models; add some first.")
    return models


def _untested(name: str) -> list[LanguageModel]:
    models = list(context_testing.untested(registry_named(name)))
    if not models:
        raise HttpError(409, f"No model of registry {name!r} is untested; name the models to test them again.")
    return models


def _chosen(ids: list[int]) -> list[LanguageModel]:
    models = LanguageModel.objects.select_related("server").in_bulk(ids)
    unknown = [str(each) for each in dict.fromkeys(ids) if each not in models]
    if unknown:
        raise HttpError(404, f"There is no model {', '.join(unknown[:10])}.")
    return [models[each] for each in dict.fromkeys(ids)]


@operation(router.get, "/{int:id}", role=Role.VIEWER, answers=ContextTestDetail)
def get_context_test(request: Request, id: Id) -> ContextTestDetail:
    """One context test with every probe."""
    return ContextTestDetail.of(found(_rows(), "context test", pk=id))
