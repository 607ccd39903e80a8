"""How long rows are kept that only grow."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from registry import pruning
from registry.access import needs
from registry.forms.retention import RetentionForm
from registry.models import Role


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def retention(request: HttpRequest) -> HttpResponse:
    form = RetentionForm(request.POST or None, kept=pruning.retention())
    if request.method == "POST" and form.is_valid():
        pruning.save_retention(**form.cleaned_data)
        messages.success(request, "Saved. What is older is deleted within the hour.")
        return redirect("settings-retention")
    rows = [(form[field], name, count, first) for field, name, count, first in pruning.held()]
    return render(request, "registry/retention.html", {"form": form, "rows": rows})
