"""Starts and cancels context tests from the pages."""

from __future__ import annotations

from typing import cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from registry import grouping, supervising
from registry.access import needs
from registry.models import Group, Job, LanguageModel, Role, User
from registry.views.chosen_models import chosen
from registry.views.current import registry_of
from testing import context_testing
from testing.models import ContextTest
from testing.search import GRAIN

LARGEST = 2**24  # tokens


class OptionsForm(forms.Form):
    """What may be asked of a test; sizes in tokens."""

    threshold = forms.IntegerField(
        required=False, min_value=GRAIN, max_value=LARGEST, label="Never load above",
        help_text="Tokens. Empty: up to what the model declares.",
    )  # fmt: skip
    fixed_context = forms.IntegerField(
        required=False, min_value=GRAIN, max_value=LARGEST, label="Try one size only",
        help_text="Tokens. Load, fill and read this size, nothing else.",
    )  # fmt: skip
    force = forms.BooleanField(
        required=False, label="Force",
        help_text="Also load above what the estimate says is safe; a server without a guardrail may run out of memory.",
    )  # fmt: skip


@require_POST
@needs(Role.OPERATOR)
def start(request: HttpRequest) -> HttpResponse:
    """Tests the chosen models: the ticked ones, all that a filter lets through, or those of the `group`."""
    if request.POST.get("group", "").isdecimal():
        group = get_object_or_404(Group, pk=request.POST["group"])
        return _start(request, list(grouping.models_of(group).select_related("server")))
    try:
        models = list(chosen(request).order_by("pk"))
    except ValueError as refusal:
        messages.error(request, str(refusal))
        return redirect(_back(request))
    return _start(request, models)


@require_POST
@needs(Role.OPERATOR)
def start_untested(request: HttpRequest) -> HttpResponse:
    """Tests every model of the chosen registry that can be tested and was not."""
    registry = registry_of(request)
    if models := list(context_testing.untested(registry)):
        return _start(request, models)
    messages.warning(request, f"There is no model left in {registry} that can be tested and was not.")
    return redirect(_back(request))


@require_POST
@needs(Role.OPERATOR)
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    test = get_object_or_404(ContextTest.objects.select_related("job"), pk=pk)
    if test.job is not None and test.job.is_open:
        supervising.cancel(test.job)
    return redirect(test)


def _start(request: HttpRequest, models: list[LanguageModel]) -> HttpResponse:
    form = OptionsForm(request.POST)
    if not form.is_valid():
        for field, errors in form.errors.items():
            messages.error(request, f"{form.fields[field].label}: {' '.join(str(error) for error in errors)}")
        return redirect(_back(request))
    if not models:
        messages.warning(request, "No model was chosen; tick the ones to test first.")
        return redirect(_back(request))
    try:
        options = context_testing.Options(**form.cleaned_data)
        job = context_testing.enqueue(models, options, door="page", asked_by=cast(User, request.user))
    except ValueError as refusal:
        messages.error(request, str(refusal))
        return redirect(_back(request))
    return redirect(_page_of(job))


def _page_of(job: Job) -> Job | ContextTest:
    """Where to watch: the live page of one test, or the job that sums several up."""
    return ContextTest.objects.filter(job=job).first() or job


def _back(request: HttpRequest) -> str:
    """The page the form was on."""
    origin = request.META.get("HTTP_REFERER", "")
    return origin if url_has_allowed_host_and_scheme(origin, {request.get_host()}) else "/"
