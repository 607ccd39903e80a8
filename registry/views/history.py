"""History: who changed what, when, through which door."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.models import AuditEvent
from registry.views import listing

FILTERS = ("who", "door", "kind", "action")
CHOICES = 100  # of each filter


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Everything that was noted, newest first, narrowed by who, door, kind and action."""
    asked = {name: request.GET.get(name, "") for name in FILTERS}
    events = AuditEvent.objects.filter(**{name: value for name, value in asked.items() if value})
    page = listing.latest_first(request, events.select_related("user", "registry", "job"))
    context = {
        "page": page,
        "events": page.items,
        "pages": listing.turning(request, page),
        "filters": [(name, asked[name], _values(name)) for name in FILTERS],
        "narrowed": any(asked.values()),
    }
    return render(request, "registry/history.html", context)


def _values(field: str) -> QuerySet[AuditEvent, str]:
    values = AuditEvent.objects.exclude(**{field: ""}).order_by(field)
    return values.values_list(field, flat=True).distinct()[:CHOICES]
