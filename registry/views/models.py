"""The list of models: what it shows, what it suggests while a filter is typed, and its export."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from registry import exchanging, suggesting, tallying
from registry.filters import LONGEST, BadFilter
from registry.views import model_list
from registry.views.chips import asked
from registry.views.current import registry_of

COUNTED_UP_TO = 20_000  # models: in a larger registry hints come without counts, they would come too late
TYPES = {"csv": "text/csv; charset=utf-8", "yaml": "application/yaml; charset=utf-8"}


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    return render(request, "registry/models.html", model_list.shown(request))


@require_POST
def columns(request: HttpRequest) -> HttpResponse:
    """Which columns this browser shows from now on."""
    model_list.choose_columns(request, request.POST.getlist("column"))
    return redirect(f"{reverse('models')}?{request.POST.get('query', '')}".rstrip("?"))


@require_safe
def suggest(request: HttpRequest) -> HttpResponse:
    """What can be typed next into the filter box."""
    text = request.GET.get("filter", "")[:LONGEST]
    suggestions = suggesting.suggest(text, tallying.known_values(registry_of(request)))
    counted = [(item, _count(request, item.text)) for item in suggestions.items]
    return render(request, "registry/model_suggestions.html", {"suggestions": suggestions, "items": counted})


@require_safe
def known(request: HttpRequest) -> HttpResponse:
    """The tags or groups there are, for a field that asks for one."""
    names = tallying.known_values(registry_of(request)).get(request.GET.get("of", ""), [])
    return render(request, "registry/model_known.html", {"names": names})


def _count(request: HttpRequest, text: str) -> int | None:
    """How many models the suggested filter would show; None when it is not finished or counting takes too long."""
    registry = registry_of(request)
    expression, _ = model_list.read(text)
    if expression is None or tallying.tally(registry).all > COUNTED_UP_TO:
        return None
    return tallying.match(registry, text, expression).models


@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """Exactly the models that the filter shows, as a file."""
    registry, fmt = registry_of(request), request.GET.get("format", "native")
    wanted: dict[str, Any] = {"fmt": fmt, "full": "full" in request.GET, "expression": asked(request)}
    try:
        data = exchanging.export(registry, **wanted)
    except (BadFilter, ValueError) as refusal:
        messages.error(request, str(refusal))
        return redirect("models")
    return as_file(data, fmt)


def as_file(data: bytes, fmt: str) -> HttpResponse:
    """An answer that a browser saves."""
    answer = HttpResponse(data, content_type=TYPES.get(fmt, "application/json"))
    name = f"models-{timezone.now():%Y%m%d-%H%M}.{exchanging.FORMATS[fmt]}"
    answer["Content-Disposition"] = content_disposition_header(True, name)
    return answer
