"""Registries: made, renamed, deleted, opened, and what is in one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import auditing, counting, exchanging, registries
from registry.access import needs
from registry.forms.registries import RegistryForm
from registry.holding import Busy
from registry.models import Registry, Role
from registry.templatetags import changes
from registry.views import current, wording
from registry.views.snapshots import attachment

EVENTS_SHOWN = 20


@require_safe
def registries_page(request: HttpRequest) -> HttpResponse:
    return _list(request)


@require_POST
@needs(Role.ADMIN)
def create(request: HttpRequest) -> HttpResponse:
    form = RegistryForm(request.POST)
    if form.is_valid():
        try:
            registry = registries.create_registry(form.cleaned_data["name"])
        except ValueError as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, f"Registry {registry} is made. Open it to fill it.")
            return redirect("registries")
    return _list(request, form=form)


@require_safe
def registry(request: HttpRequest, pk: int) -> HttpResponse:
    return _one(request, get_object_or_404(Registry, pk=pk))


@require_POST
@needs(Role.ADMIN)
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    registry = get_object_or_404(Registry, pk=pk)
    form = RegistryForm(request.POST)
    if form.is_valid():
        try:
            registries.rename_registry(registry, form.cleaned_data["name"])
        except (ValueError, Busy) as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, f"The registry is named {registry} now.")
            return redirect("registry", pk)
    return _one(request, registry, form=form)


@require_safe
def download(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole registry as a file, with its tests."""
    registry = get_object_or_404(Registry, pk=pk)
    answer = HttpResponse(exchanging.export(registry, full=True), content_type="application/json")
    answer.headers["Content-Disposition"] = attachment(f"{changes.registry_label(registry)}.json")
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Says first what is lost; deletes on POST."""
    registry = get_object_or_404(Registry, pk=pk)
    if request.method != "POST":
        return render(request, "registry/registry_delete.html", {"shown": _counted().get(pk=pk)})
    try:
        registries.delete_registry(registry)
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
        return redirect("registry", pk)
    messages.success(request, f"Registry {registry} is deleted.")
    return redirect("registries")


def _list(request: HttpRequest, form: RegistryForm | None = None) -> HttpResponse:
    context = {"shown": _counted(), "current": current.registry_of(request), "form": form or RegistryForm()}
    return render(request, "registry/registries.html", context)


def _counted() -> Any:
    """Registries with how many models are in each, and how large these are together; one query."""
    return Registry.objects.annotate(models_count=Count("models"), bytes=Sum("models__size_bytes", default=0))


def _one(request: HttpRequest, registry: Registry, form: RegistryForm | None = None) -> HttpResponse:
    context = {
        "shown": registry,
        "current": current.registry_of(request),
        "form": form or RegistryForm(initial={"name": registry.name}),
        "statistics": wording.told(counting.statistics(registry)),
        "events": auditing.of(registry)[:EVENTS_SHOWN],
    }
    return render(request, "registry/registry.html", context)
