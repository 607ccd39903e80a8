"""Writes what a context test found: on the test, on its model, and what its server taught for the next one."""

from typing import Any

from django.utils import timezone

from registry import announcing, notifying, tagging
from registry.claims import Claim
from registry.models import LanguageModel, Server
from registry.models.language_model import CheckStatus
from testing.context_testing import search_of
from testing.models import ContextTest, Probe
from testing.models.context_test import GOOD, Verdict

LEARNABLE = (0.2, 5.0)  # a correction outside of this is a fluke
NOT_PUT_BACK = "not everything could be loaded again: "


def conclude(held: Claim, test: ContextTest, winner: Probe | None, problems: list[str]) -> None:
    """Takes over the verdict of `winner`, the probe that decided; `problems` of putting back are told with it."""
    _sum_up(held, test, winner)
    model = test.model
    with held.fence():
        model.registry.touch()  # first: other writers of the registry hold its row before those of its models
        test.save()
        _write_on(model, test)
        _notice_change(model)
        model.save(update_fields=_fields(test))
        tagging.derive_tags(LanguageModel.objects.filter(pk=model.pk))
        notifying.notify("test.finished", model.key, _told(test))
    _teach(test)
    held.write(message=sentence(test) + ("; " + NOT_PUT_BACK + "; ".join(problems) if problems else ""))
    announcing.announce("model", model.pk)


def _sum_up(held: Claim, test: ContextTest, winner: Probe | None) -> None:
    probes = list(test.probes.all())
    test.iterations = sum(probe.loads for probe in probes)
    test.duration = (timezone.now() - (held.job.started or test.created)).total_seconds()
    test.verdict = winner.verdict if winner else Verdict.LOAD_FAILED
    test.peak_memory_bytes = max((p.peak_memory_bytes for p in probes if p.peak_memory_bytes), default=None)
    if winner is None or winner.verdict not in GOOD:
        return
    test.tested_context = winner.requested
    test.recall_found, test.recall_asked = winner.recall_found, winner.recall_asked
    test.ttft_seconds, test.tokens_per_second = winner.ttft_seconds, winner.tokens_per_second
    if winner.ttft_seconds and winner.input_tokens:
        test.prefill_tokens_per_second = winner.input_tokens / winner.ttft_seconds
    loads = [p.load_seconds for p in probes if p.requested == winner.requested and p.load_seconds and p.good]
    test.load_seconds = loads[-1] if loads else None


def _notice_change(model: LanguageModel) -> None:
    """A scan may have seen another file while this one was tested."""
    now = LanguageModel.objects.filter(pk=model.pk).values_list("size_bytes", "variant").first()
    if now is not None and now != (model.size_bytes, model.variant):
        model.stale, model.stale_reason = True, "the file changed while it was tested"


def _teach(test: ContextTest) -> None:
    """Keeps for the next model on this server how far its true limit is from what measured memory promised."""
    learned = search_of(test).learned_correction
    if learned is not None and LEARNABLE[0] < learned < LEARNABLE[1] and not test.fixed_context:
        Server.objects.filter(pk=test.server.pk).update(estimate_correction=learned)


def _write_on(model: LanguageModel, test: ContextTest) -> None:
    model.last_tested = timezone.now()
    model.test_iterations, model.test_duration = test.iterations, test.duration
    if test.tested_context:
        limited = test.fixed_context or test.threshold
        known = model.tested_context if limited and not model.stale else None
        model.test_status, model.stale, model.stale_reason = CheckStatus.TESTED, False, ""
        if test.tested_context < (known or 0):
            return  # a limited test lowers nothing, and its speed is that of a smaller window
        model.tested_context, model.test_verdict = test.tested_context, test.verdict
        model.tokens_per_second, model.ttft_seconds = test.tokens_per_second, test.ttft_seconds
        model.load_seconds, model.peak_memory_bytes = test.load_seconds, test.peak_memory_bytes
    elif test.fixed_context and model.tested_context:
        model.test_status = CheckStatus.TESTED  # one size that failed says nothing against a window verified before
    else:
        model.tested_context, model.test_status, model.test_verdict = None, CheckStatus.FAILED, test.verdict


def _fields(test: ContextTest) -> list[str]:
    return [
        "last_tested", "test_iterations", "test_duration", "tested_context", "tokens_per_second",
        "ttft_seconds", "load_seconds", "peak_memory_bytes", "stale", "stale_reason", "test_status", "test_verdict",
    ]  # fmt: skip


def sentence(test: ContextTest) -> str:
    """What was found, in one line."""
    loads = f"in {test.iterations} load{'s' if test.iterations != 1 else ''}"
    if test.tested_context is None:
        return f"{test.verdict} {loads}"
    declared = test.model.declared_context
    of = f" of {declared:,} declared" if declared and declared != test.tested_context else ""
    return f"{test.verdict}: {test.tested_context:,}{of} tokens {loads}"


def _told(test: ContextTest) -> dict[str, Any]:
    """What webhooks are told of a finished test."""
    return {
        "test": test.pk, "model": test.model.pk, "server": test.server.name, "verdict": test.verdict,
        "tested_context": test.tested_context, "declared_context": test.model.declared_context,
        "result": sentence(test), "page": test.get_absolute_url(),
    }  # fmt: skip


def forget_testing(model: LanguageModel) -> None:
    """The status a model had before a test that found nothing."""
    known = CheckStatus.TESTED if model.tested_context else CheckStatus.UNTESTED
    failed = model.last_tested is not None and not model.tested_context
    status = CheckStatus.FAILED if failed else known
    LanguageModel.objects.filter(pk=model.pk, test_status=CheckStatus.TESTING).update(test_status=status)
    model.registry.touch()
    announcing.announce("model", model.pk)
