"""Starts downloads of models to a server."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from registry import downloading
from registry.access import needs
from registry.models import Role, Server
from registry.views.current import registry_of


@require_POST
@needs(Role.OPERATOR)
def download(request: HttpRequest, pk: int) -> HttpResponse:
    server = get_object_or_404(Server, pk=pk)
    name, quantization = request.POST.get("model", ""), request.POST.get("quantization", "")
    try:
        job = downloading.enqueue(server, name, quantization, registry=registry_of(request))
    except ValueError as refusal:
        messages.error(request, str(refusal))
        return redirect(server)
    messages.info(request, f"Downloading {job.params['model']}: it goes on when you leave this page.")
    return redirect(server)
