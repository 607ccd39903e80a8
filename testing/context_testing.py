"""Finds the real context window of a model: the largest size that was loaded, filled and read to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from registry import dispatching, jobs
from registry.jobs import Claim, JobFailed
from registry.lmstudio import errors
from registry.models import Job, LanguageModel, Registry, User
from registry.models.job import OPEN, JobStatus, Runner
from registry.models.language_model import CheckStatus, ModelType
from testing import concluding, setting_aside
from testing.experiment import Experiment
from testing.models import ContextTest, Probe
from testing.models.context_test import GOOD, Phase, Verdict
from testing.probing import Prober
from testing.search import GRAIN, ContextSearch, Tried, Why

KIND, FAMILY = "context_test", "context_tests"
STEPS_DOWN = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)  # after a fill that failed, off the size that loads


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


def _reads(probe: Probe) -> bool:
    return probe.kind in (Why.FILL.value, Why.STEP_DOWN.value)


def run(held: Claim) -> None:
    """Does the test of a claimed job, or goes on with it: what its probes know is not asked again."""
    test = ContextTest.objects.select_related("model", "server", "model__registry").get(job=held.job)
    held.reserve(test.server)
    experiment = Experiment(held, test.server, test.timeout_seconds)
    try:
        _prepare(held, experiment, test)
        prober = Prober(experiment, test)
        winner = _fixed(prober, test) if test.fixed_context else _searched(prober, test)
        _enter(held, test, Phase.PUT_BACK)
        _put_back(experiment, test)
    except errors.LMStudioError as error:
        raise JobFailed(str(error)) from error
    concluding.conclude(held, test, winner)


def tidy(held: Claim) -> None:
    """After a cancel or a failure: the server as it was found, the model's status as it was known."""
    test = ContextTest.objects.select_related("model", "server").get(job=held.job)
    concluding.forget_testing(test.model)
    if test.found is None or test.put_back:
        return
    held.reserve(test.server)
    experiment = Experiment(held, test.server, min(test.timeout_seconds, 300.0))
    _put_back(experiment, test)
    held.say(message="cancelled; the server is as it was" if held.job.cancel_requested else "the server is as it was")


def _prepare(held: Claim, experiment: Experiment, test: ContextTest) -> None:
    test.probes.filter(verdict="").delete()  # under way when its worker died: tried again
    if test.found is None:
        test.found = setting_aside.what_is_loaded(experiment)
        if test.estimate is None and not test.fixed_context and test.model.tested_context:
            test.estimate, test.estimate_source = test.model.tested_context, "the last test on this server"
        with held.fence():
            test.save(update_fields=["found", "estimate", "estimate_source"])
    LanguageModel.objects.filter(pk=test.model.pk).update(test_status=CheckStatus.TESTING)
    setting_aside.set_aside(experiment, test.found, test.model.key)


def _searched(prober: Prober, test: ContextTest) -> Probe | None:
    """The probe that read the winner, or the last one that failed; None never: at least one probe is made."""
    last: Probe | None = test.probes.order_by("-order").first()
    search = search_of(test)
    while asked := search.next_probe():
        size, why = asked
        _enter(prober.held, test, Phase.SMALL if why in (Why.SMALL, Why.SMALLER) else Phase.BRACKET)
        prober.held.say(0.5 * (1 - 0.7 ** len(search.tried)))
        last = prober.probe(size, why)
        _learn(test, last)
        search = search_of(test)
    if search.low == 0:
        return last
    _enter(prober.held, test, Phase.FILL)
    return _read(prober, test, search.low)


def _read(prober: Prober, test: ContextTest, size: int) -> Probe | None:
    """Fills the winner; where that fails, the next smaller sizes."""
    sizes = [size, *(max(GRAIN, int(size * (1 - step)) // GRAIN * GRAIN) for step in STEPS_DOWN)]
    row: Probe | None = None
    for wanted in dict.fromkeys(sizes):
        done = test.probes.filter(requested=wanted, kind__in=[Why.FILL.value, Why.STEP_DOWN.value])
        row = done.exclude(verdict=Verdict.INTERRUPTED).last()
        row = row or prober.probe(wanted, Why.FILL if wanted == size else Why.STEP_DOWN)
        if row.verdict in GOOD:
            break
    return row


def _fixed(prober: Prober, test: ContextTest) -> Probe | None:
    """Tries the one size that was asked for: load, short answer, full read."""
    size = test.fixed_context or 0
    tried = test.probes.filter(kind=Why.FIXED.value).exclude(verdict=Verdict.INTERRUPTED).last()
    tried = tried or prober.probe(size, Why.FIXED)
    _learn(test, tried)
    if not tried.good:
        return tried
    _enter(prober.held, test, Phase.FILL)
    filled = test.probes.filter(kind=Why.FILL.value).exclude(verdict=Verdict.INTERRUPTED).last()
    return filled or prober.probe(size, Why.FILL)


def _learn(test: ContextTest, probe: Probe) -> None:
    """A refusal with its gigabytes shows that the server's guardrail is on."""
    if probe.needed_bytes and not test.server.guardrail_seen:
        test.server.guardrail_seen = True
        test.server.save(update_fields=["guardrail_seen"])


def _enter(held: Claim, test: ContextTest, phase: Phase) -> None:
    if test.phase != phase:
        test.phase = phase
        with held.fence():
            test.save(update_fields=["phase"])


def _put_back(experiment: Experiment, test: ContextTest) -> None:
    in_flight = test.probes.filter(verdict="").exists()
    problems = setting_aside.put_back(experiment, test.found or [], test.model.key, in_flight)
    with experiment.held.fence():
        test.probes.filter(verdict="").delete()
        test.put_back = True
        test.save(update_fields=["put_back"])
    if problems:
        raise JobFailed("Not everything could be loaded again: " + "; ".join(problems))


jobs.KINDS[KIND] = jobs.Kind(run, tidy)
