"""The prompt and the answer of one request, where its token had them kept."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from registry import exchanges
from registry.access import needs
from registry.models import InferenceRecord, Role
from registry.views import request_log


@require_safe
@never_cache
@needs(Role.ADMIN)
def kept_exchange(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Both texts as they are, and until when they are kept."""
    exchange = get_object_or_404(exchanges.kept(), record_uuid=uuid)
    records = list(InferenceRecord.objects.filter(uuid=uuid))
    line = request_log.lines(records)[0] if records else None
    return render(request, "registry/kept_exchange.html", {"exchange": exchange, "line": line})


@require_POST
@needs(Role.ADMIN)
def forget(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Deletes both texts before their time; the line in the log stays."""
    exchanges.forget(get_object_or_404(exchanges.kept(), record_uuid=uuid))
    messages.success(request, "Prompt and answer are deleted; the line in the log stays.")
    return redirect("usage-requests")
