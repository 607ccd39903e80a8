"""Servers: whether they answer; what the chosen registry has of them, what scans found for it."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from registry import downloading, scanning
from registry.access import needs
from registry.models import Job, Registry, Role, Scan, Server, User
from registry.models.language_model import CheckStatus
from registry.views import memory_bars
from registry.views.current import registry_of

MODELS_SHOWN = 50
SCANS_SHOWN = 20


@require_safe
def servers(request: HttpRequest) -> HttpResponse:
    return render(request, "registry/servers.html", _list(registry_of(request)))


@require_safe
def servers_live(request: HttpRequest) -> HttpResponse:
    return render(request, "registry/servers_live.html", _list(registry_of(request)))


@require_safe
def server(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "registry/server.html", _one(registry_of(request), pk))


@require_safe
def server_live(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "registry/server_live.html", _one(registry_of(request), pk))


@require_POST
@needs(Role.OPERATOR)
def scan(request: HttpRequest, pk: int) -> HttpResponse:
    server = get_object_or_404(Server, pk=pk)
    scanning.enqueue(server, door="page", asked_by=cast(User, request.user), registry=registry_of(request))
    messages.info(request, f"Scanning {server}: what it finds appears here.")
    return redirect(server)


@require_POST
@needs(Role.OPERATOR)
def scan_all(request: HttpRequest) -> HttpResponse:
    job = scanning.enqueue_all(door="page", asked_by=cast(User, request.user), registry=registry_of(request))
    if job is None:
        messages.error(request, "There is no enabled server to scan; add one first.")
    else:
        messages.info(request, "Scanning all servers: what they answer appears here.")
    return redirect("servers")


def _list(registry: Registry) -> dict[str, Any]:
    here = Q(models__registry=registry, models__missing=False)
    shown = list(
        Server.objects.select_related("experiment").annotate(
            models_count=Count("models", filter=here),
            tested_count=Count("models", filter=here & Q(models__test_status=CheckStatus.TESTED)),
        )
    )
    answering = sum(1 for server in shown if server.enabled and server.reachable)
    enabled = sum(1 for server in shown if server.enabled)
    return {"servers": shown, "answering": answering, "enabled": enabled, "scans": _open_scans()}


def _open_scans() -> list[Job]:
    """Scans under way, parents and single ones."""
    return list(Job.objects.open().filter(kind__startswith="scan", parent=None).order_by("pk"))


def _one(registry: Registry, pk: int) -> dict[str, Any]:
    server = get_object_or_404(Server.objects.select_related("experiment"), pk=pk)
    scans: list[Scan] = list(server.scans.filter(registry=registry).select_related("job")[:SCANS_SHOWN])
    models = server.models.filter(registry=registry).prefetch_related("instances").order_by("missing", "name", "pk")
    return {
        "server": server,
        "models": models[:MODELS_SHOWN],
        "models_count": models.count(),
        "scans": scans,
        "bar": memory_bars.bar(server, registry),
        "running": [scan.job for scan in scans if scan.job and scan.job.is_open] + downloading.under_way(server),
    }
