"""Finds the real context window of a model: the largest size that was loaded, filled and read to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from registry import acting, dispatching
from registry.models import Job, LanguageModel, Registry, User
from registry.models.job import OPEN, JobStatus, Runner
from registry.models.language_model import CheckStatus, ModelType
from testing.models import ContextTest, Probe
from testing.models.context_test import Verdict
from testing.search import GRAIN, ContextSearch, Tried, Why

KIND, FAMILY = "context_test", "context_tests"
FILLS = (Why.FILL.value, Why.STEP_DOWN.value)


@dataclass(frozen=True)
class Options:
    """What may be asked of a test; sizes in tokens, `timeout_seconds` for one load or one answer."""

    threshold: int | None = None
    fixed_context: int | None = None
    force: bool = False
    timeout_seconds: float = 1800.0

    def __post_init__(self) -> None:
        for name, size in (("threshold", self.threshold), ("context", self.fixed_context)):
            if size is not None and not GRAIN <= size <= 2**24:
                raise ValueError(f"The {name} is {size:,}; use {GRAIN:,} to {2**24:,} tokens.")
        if not 1 <= self.timeout_seconds <= 86_400:
            raise ValueError(f"The timeout is {self.timeout_seconds:g}; use 1 to 86,400 seconds.")


def untested(registry: Registry) -> QuerySet[LanguageModel]:
    """Models of `registry` that can be tested and were not."""
    return LanguageModel.objects.filter(registry=registry).testable().untested().select_related("server")


def objection(model: LanguageModel) -> str:
    """Why `model` cannot be tested; empty when it can."""
    if model.server is None:
        return f"{model.key} is on no server, so it cannot be loaded."
    if model.type == ModelType.EMBEDDING:
        return f"{model.key} is an embedding model; it has no context window to fill."
    if not model.server.enabled:
        return f"{model.server.name} is disabled; enable it to test {model.key}."
    if model.missing:
        return f"{model.key} is no longer on {model.server.name}; scan the server, or delete the model."
    if ContextTest.objects.filter(model=model, job__status__in=OPEN).exists():
        return f"{model.key} is being tested already."
    return ""


def enqueue(
    models: Sequence[LanguageModel],
    options: Options,
    *,
    door: str,
    asked_by: User | None = None,
    runner: str = Runner.WORKER,
    owner: str = "",
) -> Job:
    """A job that tests `models`; of several a parent with one child each. ValueError when none can be tested."""
    objections = {model.pk: reason for model in models if (reason := objection(model))}
    willing = [model for model in models if model.pk not in objections]
    if not willing:
        raise ValueError(" ".join(list(objections.values())[:5]) or "There is no model to test.")
    common: dict[str, Any] = {"door": door, "asked_by": asked_by, "runner": runner, "owner": owner}
    common["params"] = {"who": acting.current().name}
    with transaction.atomic():
        if len(willing) == 1:
            return _enqueue_one(willing[0], options, common)
        parent = Job.objects.create(
            kind=FAMILY, title=f"{len(willing)} models", status=JobStatus.RUNNING, started=Now(), **common
        )
        for model in willing:
            _enqueue_one(model, options, common, parent)
    return parent


def _enqueue_one(model: LanguageModel, options: Options, common: dict[str, Any], parent: Job | None = None) -> Job:
    job = Job.objects.create(kind=KIND, title=model.key, message="waiting for a worker", parent=parent, **common)
    assert model.server is not None  # noqa: S101  (objection() has seen to it)
    ContextTest.objects.create(
        job=job, model=model, server=model.server, threshold=options.threshold, force=options.force,
        fixed_context=options.fixed_context, timeout_seconds=options.timeout_seconds,
    )  # fmt: skip
    if job.runner == Runner.WORKER:
        dispatching.send(job.pk)
    return job


def search_of(test: ContextTest, probes: Sequence[Probe] | None = None) -> ContextSearch:
    """The search as the finished probes of `test` have left it."""
    model, server = test.model, test.server
    search = ContextSearch(
        declared=model.declared_context,
        ceiling=test.threshold,
        estimate=test.estimate,
        guarded=server.guardrail_seen,
        force=test.force,
        limit_bytes=server.memory_limit_bytes,
        correction=server.estimate_correction,
    )
    for probe in probes if probes is not None else test.probes.all():
        if probe.verdict and probe.verdict != Verdict.INTERRUPTED and not _reads(probe):
            search.record(
                Tried(probe.requested, probe.good, probe.needed_bytes, probe.loaded_memory_bytes, probe.applied)
            )
    return search


def known_limit(model: LanguageModel) -> int | None:
    """What the last test without a limit found for this file on this server, in tokens: the best estimate there is."""
    if model.stale or not model.tested_context:
        return None
    whole = ContextTest.objects.filter(model=model, server=model.server, threshold=None, fixed_context=None)
    return whole.exclude(tested_context=None).values_list("tested_context", flat=True).first()


def first_sizes(test: ContextTest, count: int = 3) -> tuple[list[int], int]:
    """The sizes a test would try as long as each works, at most `count`, and the largest it would ever load."""
    search = search_of(test, probes=[])
    sizes: list[int] = []
    while len(sizes) < count and (asked := search.next_probe()):
        sizes.append(asked[0])
        search.record(Tried(asked[0], good=True))
    return sizes, search.reach


def forget(models: Sequence[LanguageModel]) -> None:
    """Takes earlier results off the models, so that a test starts without an estimate; the tests themselves stay."""
    LanguageModel.objects.filter(pk__in=[model.pk for model in models]).update(
        tested_context=None, usable_context=None, test_status=CheckStatus.UNTESTED, test_verdict="", last_tested=None,
        stale=False, stale_reason="",
    )  # fmt: skip
    for registry in {model.registry for model in models}:
        registry.touch()


def _reads(probe: Probe) -> bool:
    return probe.kind in FILLS
