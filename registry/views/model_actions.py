"""What can be done with several models of the list at once, and the star of one."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh

from registry import editing, exchanging, grouping, tagging
from registry.access import needs
from registry.holding import Busy
from registry.models import LanguageModel, Role
from registry.views.chosen_models import chosen
from registry.views.current import registry_of
from registry.views.models import as_file

Act = Callable[[list[LanguageModel]], str]


@require_POST
@needs(Role.OPERATOR)
def tag(request: HttpRequest) -> HttpResponse:
    """Puts tags on the chosen models, or takes them off."""
    names = [name for name in request.POST.get("tags", "").split(",") if name.strip()]

    def act(models: list[LanguageModel]) -> str:
        if not names:
            raise ValueError("No tag was written; write one or more, such as production, qa.")
        if request.POST.get("do") == "remove":
            return f"{_times(tagging.remove_tags(models, names), 'tag')} taken off {_count(models)}."
        return f"{_times(tagging.add_tags(models, names), 'tag')} put on {_count(models)}."

    return _done(request, act)


@require_POST
@needs(Role.OPERATOR)
def group(request: HttpRequest) -> HttpResponse:
    """Puts the chosen models into a group of that name; makes it when there is none."""
    name, registry = request.POST.get("to_group", "").strip(), registry_of(request)

    def act(models: list[LanguageModel]) -> str:
        if found := grouping.find_group(registry, name):
            return f"{_times(grouping.add_to_group(found, models), 'model')} added to group {found}."
        grouping.create_group(registry, name, models)
        return f"Group {name} is made, with {_count(models)}."

    return _done(request, act)


@require_POST
@needs(Role.OPERATOR)
def favourite(request: HttpRequest) -> HttpResponse:
    """Makes the chosen models favourites, or with `on=0` no longer."""
    on = request.POST.get("on") != "0"

    def act(models: list[LanguageModel]) -> str:
        editing.set_favourite(models, on)
        return f"{_count(models)} {'are favourites now' if on else 'are favourites no longer'}."

    return _done(request, act)


@require_POST
@needs(Role.OPERATOR)
def star(request: HttpRequest, pk: int) -> HttpResponse:
    """Makes one model a favourite, or no longer; answers the button, or the page it was on."""
    model = get_object_or_404(LanguageModel.objects.select_related("registry"), pk=pk)
    htmx = getattr(request, "htmx", False)
    try:
        editing.set_favourite([model], not model.favourite)
    except Busy as refusal:
        messages.error(request, str(refusal))
        return HttpResponseClientRefresh() if htmx else redirect(back(request))
    model.refresh_from_db(fields=["favourite"])
    if htmx:
        return render(request, "registry/model_star.html", {"model": model})
    return redirect(back(request))


@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """The chosen models as a native file."""
    return as_file(exchanging.export(registry_of(request), models=chosen(request)), "native")


@require_POST
@needs(Role.ADMIN)
def forget(request: HttpRequest) -> HttpResponse:
    """Says what is lost by forgetting the chosen models; forgets them when that was confirmed."""
    models = list(chosen(request))
    if models and not request.POST.get("confirmed"):
        return render(request, "registry/models_forget.html", {"losses": editing.losses(models)})

    def act(models: list[LanguageModel]) -> str:
        editing.forget(models)
        return f"{_count(models)} forgotten; Snapshots has what was there before."

    return _done(request, act)


def _done(request: HttpRequest, act: Act) -> HttpResponse:
    """Does something with the chosen models and says so, or why not."""
    try:
        models = list(chosen(request))
        if not models:
            raise ValueError("No model was chosen; tick some first.")
        messages.success(request, act(models))
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
    return redirect(back(request))


def back(request: HttpRequest) -> str:
    """The page that an action was started from."""
    origin = request.POST.get("next") or request.META.get("HTTP_REFERER", "")
    return origin if url_has_allowed_host_and_scheme(origin, {request.get_host()}) else "/models/"


def _count(models: list[LanguageModel]) -> str:
    return str(models[0]) if len(models) == 1 else f"{len(models):,} models"


def _times(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
