"""One model: what it promises, what it really does here, how that was found out."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from lmstrix_site.pages.findings import finding, instances_told, options_told, share_of_declared, usable_told
from lmstrix_site.pages.usage import Usage
from registry import auditing
from registry.models import LanguageModel
from registry.models.job import OPEN
from registry.templatetags.figures import sentence
from registry.views.model_memory import dialog_of, memory_of
from registry.views.model_states import history_of
from registry.views.wording import field_name
from testing import context_testing
from testing.models import ContextTest
from testing.views.actions import OptionsForm
from testing.views.evidence import Bracket, chart_of, left_open

HISTORY = 12
CHANGES = 20
METRICS = ("tokens_per_second", "ttft_seconds", "load_seconds", "peak_memory_bytes")


@require_safe
def model(request: HttpRequest, pk: int) -> HttpResponse:
    shown = _loaded(pk)
    context = _now(shown) | {"form": OptionsForm(auto_id="test-%s"), "objection": _objection(shown)}
    context |= {"dialog": dialog_of(shown)}
    return render(request, "lmstrix_site/model.html", context)


@require_safe
def model_live(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "lmstrix_site/model_live.html", _now(_loaded(pk)))


def _loaded(pk: int) -> LanguageModel:
    models = LanguageModel.objects.select_related("server", "registry").prefetch_related("tags", "instances")
    return get_object_or_404(models, pk=pk)


def _now(model: LanguageModel) -> dict[str, Any]:
    tests = list(model.context_tests.select_related("job__asked_by", "server").order_by("-pk")[: HISTORY + 1])
    running = next((test for test in tests if test.job and test.job.status in OPEN), None)
    last = next((test for test in tests if test.verdict), None)
    probes = list(last.probes.all()) if last else []
    # only while the result is this test's own: a later import or reset may have set another
    untried = bool(last and last.tested_context == model.tested_context and left_open(last, probes))
    sizes = [instance.context_length for instance in model.instances.all() if instance.context_length]
    return {
        "model": model,
        "finding": finding(model, last, more_untried=untried),
        "share": share_of_declared(model, more_untried=untried),
        "usable": usable_told(model),
        "applied": max(sizes, default=None),
        "instances": [(instance, options_told(instance.options)) for instance in model.instances.all()],
        "memory": memory_of(model),
        "states": history_of(model),
        "instances_told": instances_told(model, list(model.instances.all())),
        "running": running,
        "bracket": _bracket(running),
        "last": last,
        "probes": probes,
        "chart": chart_of(probes, model.declared_context, last.tested_context if last else None),
        "history": tests[:HISTORY],
        "history_more": len(tests) > HISTORY,
        "usage": Usage.of(model),
        "measured": any(getattr(model, name) is not None for name in METRICS),
        "edited": [field_name(name) for name in model.edited],
        "groups": list(model.groups.all()),
        "changes": list(auditing.of(model).order_by("-pk")[:CHANGES]),
        "public_id": model.public_id,
        "accepts": _accepts(model),
    }


def _objection(model: LanguageModel) -> str:
    """Why it cannot be tested, without its name: the page is about it."""
    return sentence(context_testing.objection(model).replace(model.key, "it"))


def _bracket(running: ContextTest | None) -> Bracket | None:
    if running is None:
        return None
    return Bracket.after([probe for probe in running.probes.all() if probe.verdict])


def _accepts(model: LanguageModel) -> str:
    """What the server says the model takes; only what is known."""
    known = {"images": model.vision, "tools": model.tool_use, "reasoning": bool(model.reasoning_options) or None}
    yes = ["text", *(name for name, can in known.items() if can)]
    return ", ".join(yes) if any(can is not None for can in known.values()) else ""
