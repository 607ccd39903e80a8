"""Switches the registry that a browser works in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_POST

from registry.models import Registry
from registry.views import current


@require_POST
def use(request: HttpRequest) -> HttpResponse:
    """From now on this browser shows the chosen registry; it stays at the list that it was at."""
    key = request.POST.get("registry", "")
    current.choose(request, get_object_or_404(Registry, pk=key if key.isascii() and key.isdigit() else None))
    return redirect(_list_of(request.POST.get("next", "")))


def _list_of(path: str) -> str:
    """The list that a page belongs to: `/models/7/` is an object of the registry that was left, `/models/` is not."""
    section = path.split("/")[1] if path.startswith("/") else ""
    found = f"/{section}/" if section else "/"
    try:
        resolve(found)
    except Resolver404:
        return "/"
    return found
