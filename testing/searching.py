"""Does a context test: asks the search, tries the sizes on the server, fills the winner, puts everything back."""

from __future__ import annotations

from registry import jobs
from registry.claims import Claim, JobFailed
from registry.lmstudio import errors
from registry.models import LanguageModel
from registry.models.language_model import CheckStatus
from testing import concluding, setting_aside
from testing.context_testing import FILLS, KIND, known_limit, search_of
from testing.experiment import Experiment
from testing.models import ContextTest, Probe
from testing.models.context_test import GOOD, Phase, Verdict
from testing.probing import Prober
from testing.search import GRAIN, Why

FIRST_SECONDS = 10.0  # a server that does not answer at the very start is waited for only so long
STEPS_DOWN = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)  # after a fill that failed, off the size that loads


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
        problems = _put_back(experiment, test)
    except errors.LMStudioError as error:
        raise JobFailed(str(error)) from error
    concluding.conclude(held, test, winner, problems)


def tidy(held: Claim) -> None:
    """After a cancel or a failure: the server as it was found, the model's status as it was known."""
    test = ContextTest.objects.select_related("model", "server").get(job=held.job)
    concluding.forget_testing(test.model)
    if test.found is None or test.put_back:
        return
    held.reserve(test.server)
    experiment = Experiment(held, test.server, min(test.timeout_seconds, 300.0))
    if problems := _put_back(experiment, test):
        raise JobFailed(concluding.NOT_PUT_BACK + "; ".join(problems))
    held.job.refresh_from_db(fields=["cancel_requested"])
    held.say(message="cancelled; the server is as it was" if held.job.cancel_requested else "the server is as it was")


def _prepare(held: Claim, experiment: Experiment, test: ContextTest) -> None:
    test.probes.filter(verdict="").delete()  # under way when its worker died: tried again
    if test.found is None or test.put_back:  # a retry begins with what is loaded by then
        test.found = experiment.patiently(lambda: setting_aside.what_is_loaded(experiment), FIRST_SECONDS)
        test.put_back = False
        known = known_limit(test.model)
        if test.estimate is None and not test.fixed_context and known:
            test.estimate, test.estimate_source = known, "the last test on this server"
        with held.fence():
            test.save(update_fields=["found", "put_back", "estimate", "estimate_source"])
    LanguageModel.objects.filter(pk=test.model.pk).update(test_status=CheckStatus.TESTING)
    test.model.registry.touch()
    found, key = test.found, test.model.key
    experiment.patiently(lambda: setting_aside.set_aside(experiment, found, key))


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
        done = test.probes.filter(requested=wanted, kind__in=FILLS)
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


def _put_back(experiment: Experiment, test: ContextTest) -> list[str]:
    """Puts the server back; gives what could not be loaded again. A load that was given up may still finish there."""
    in_flight = test.probes.filter(verdict__in=["", Verdict.TIMED_OUT], instance_id="").exists()
    found, key = test.found or [], test.model.key
    problems = experiment.patiently(lambda: setting_aside.put_back(experiment, found, key, in_flight))
    with experiment.held.fence():
        test.probes.filter(verdict="").delete()
        test.put_back = True
        test.save(update_fields=["put_back"])
    return problems


jobs.KINDS[KIND] = jobs.Kind(run, tidy)
