"""Loads, unloads and pins: of one model, of the chosen ones of the list, of a group, of a server."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from registry import editing, grouping, loading
from registry.access import needs
from registry.forms.loading import LoadForm
from registry.holding import Busy
from registry.models import Group, Job, LanguageModel, Role, Server
from registry.views.chosen_models import chosen
from registry.views.model_actions import back

Enqueue = Callable[[], Job]


@require_POST
@needs(Role.OPERATOR)
def load(request: HttpRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(LanguageModel.objects.select_related("server"), pk=pk)
    _load(request, [model])
    return redirect(model)


@require_POST
@needs(Role.OPERATOR)
def unload(request: HttpRequest, pk: int) -> HttpResponse:
    """Every copy of a model, or with `instance` one of them."""
    model = get_object_or_404(LanguageModel, pk=pk)
    instance = request.POST.get("instance", "")[:600]
    _started(request, lambda: loading.enqueue_unload([model], instance=instance))
    return redirect(model)


@require_POST
@needs(Role.OPERATOR)
def load_chosen(request: HttpRequest) -> HttpResponse:
    """The ticked models of the list, or all that its filter lets through."""
    return _of_list(request, lambda models: _load(request, models))


@require_POST
@needs(Role.OPERATOR)
def unload_chosen(request: HttpRequest) -> HttpResponse:
    return _of_list(request, lambda models: _started(request, lambda: loading.enqueue_unload(models)))


@require_POST
@needs(Role.OPERATOR)
def pin_chosen(request: HttpRequest) -> HttpResponse:
    """Keeps the chosen models in memory, or with `on=0` no longer."""
    return _of_list(request, lambda models: _pin(request, models))


@require_POST
@needs(Role.OPERATOR)
def load_group(request: HttpRequest, pk: int) -> HttpResponse:
    return _of_group(request, pk, lambda models: _load(request, models))


@require_POST
@needs(Role.OPERATOR)
def unload_group(request: HttpRequest, pk: int) -> HttpResponse:
    return _of_group(request, pk, lambda models: _started(request, lambda: loading.enqueue_unload(models)))


@require_POST
@needs(Role.OPERATOR)
def pin_group(request: HttpRequest, pk: int) -> HttpResponse:
    """Keeps the models of a group in memory, or with `on=0` no longer."""
    return _of_group(request, pk, lambda models: _pin(request, models))


@require_POST
@needs(Role.OPERATOR)
def unload_server(request: HttpRequest, pk: int) -> HttpResponse:
    server = get_object_or_404(Server, pk=pk)
    _started(request, lambda: loading.enqueue_unload_all(server))
    return redirect(server)


def _load(request: HttpRequest, models: list[LanguageModel]) -> None:
    form = LoadForm(request.POST)
    if form.is_valid():
        _started(request, lambda: loading.enqueue_load(models, **form.wish()))
        return
    for field, errors in form.errors.items():
        messages.error(request, f"{form.fields[field].label}: {' '.join(str(error) for error in errors)}")


def _started(request: HttpRequest, enqueue: Enqueue) -> None:
    try:
        job = enqueue()
    except ValueError as refusal:
        messages.error(request, str(refusal))
    else:
        verb = "Loading" if job.kind.startswith("load") else "Unloading"
        messages.info(request, f"{verb} {job.title}: how it goes appears here and under Jobs.")


def _pin(request: HttpRequest, models: list[LanguageModel]) -> None:
    on = request.POST.get("on") != "0"
    editing.set_pinned(models, on)
    count = str(models[0]) if len(models) == 1 else f"{len(models):,} models"
    kept = (
        "kept in memory: the memory policy leaves" if on else "no longer kept in memory: the memory policy may unload"
    )
    messages.success(
        request, f"{count} {'is' if len(models) == 1 else 'are'} {kept} {'it' if len(models) == 1 else 'them'}."
    )


def _of_list(request: HttpRequest, act: Callable[[list[LanguageModel]], None]) -> HttpResponse:
    try:
        models = list(chosen(request).order_by("pk"))
        if not models:
            raise ValueError("No model was chosen; tick some first.")
        act(models)
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
    return redirect(back(request))


def _of_group(request: HttpRequest, pk: int, act: Callable[[list[LanguageModel]], None]) -> HttpResponse:
    group = get_object_or_404(Group.objects.select_related("registry"), pk=pk)
    try:
        models = list(grouping.models_of(group).select_related("server", "registry"))
        if not models:
            raise ValueError(f"{group} has no models; add some first.")
        act(models)
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
    return redirect(group)
