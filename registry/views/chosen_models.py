"""Which models an action on the list means: the ticked ones, or all that a filter lets through."""

from __future__ import annotations

from django.http import HttpRequest

from registry import filtering
from registry.models import LanguageModel
from registry.models.language_model import LanguageModelQuerySet
from registry.views.current import registry_of


def chosen(request: HttpRequest) -> LanguageModelQuerySet:
    """The models of the chosen registry whose keys are posted as `model`, or with `everything` all of `filter`.

    BadFilter when that filter cannot be read.
    """
    models = LanguageModel.objects.filter(registry=registry_of(request)).select_related("server", "registry")
    if request.POST.get("everything"):
        return filtering.filtered(models, request.POST.get("filter", ""))
    ids = [int(value) for value in request.POST.getlist("model") if value.isdecimal() and len(value) < 19]
    return models.filter(pk__in=ids)
