"""The registry that a browser works in: chosen in the page head, kept in the session."""

from __future__ import annotations

from django.http import HttpRequest

from registry.models import Registry

KEY = "registry"


def registry_of(request: HttpRequest) -> Registry:
    """The chosen registry; the default one when none was chosen or the chosen one is gone. Asked once a request."""
    if not hasattr(request, "_registry"):
        chosen = request.session.get(KEY)
        found = Registry.objects.filter(pk=chosen).first() if chosen else None
        request._registry = found or Registry.objects.default()  # type: ignore[attr-defined]
    registry: Registry = request._registry  # type: ignore[attr-defined]
    return registry


def choose(request: HttpRequest, registry: Registry) -> None:
    request.session[KEY] = registry.pk
