"""Syncs the registry with another one, here or on another LMStrix; shows first what that does to both."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from registry import changing, comparing, syncing
from registry.access import needs
from registry.diffing import CHANGED, MISSING
from registry.forms.syncing import SyncForm
from registry.holding import Busy
from registry.models import Registry, Role
from registry.remote import Remote
from registry.syncing import Report
from registry.views.changes import Comparison, paged
from registry.views.current import registry_of
from registry.views.plans import LISTED


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
@sensitive_post_parameters("token")
def sync(request: HttpRequest) -> HttpResponse:
    """Asks with what to sync; a POST shows what it would do to both sides, and writes nothing."""
    registry = registry_of(request)
    form = SyncForm(request.POST or None, registry=registry)
    if request.method == "POST" and form.is_valid():
        try:
            report = _sync(registry, form, dry_run=True)
        except (ValueError, Busy) as refusal:
            form.add_error(None, str(refusal))
        else:
            return render(request, "registry/diff_sync.html", _shown(form, report))
    return render(request, "registry/diff_sync_form.html", {"form": form})


@require_POST
@needs(Role.ADMIN)
@sensitive_post_parameters("token")
def run(request: HttpRequest) -> HttpResponse:
    """Syncs: as a job, or at once where a token was typed, since no token is kept."""
    registry = registry_of(request)
    form = SyncForm(request.POST, registry=registry)
    if not form.is_valid():
        return render(request, "registry/diff_sync_form.html", {"form": form})
    if not form.cleaned_data["token"]:
        return redirect(_enqueue(registry, form))
    try:
        messages.success(request, f"Synced: {_sync(registry, form, dry_run=False).summary}.")
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
    return redirect("snapshots")


@sensitive_variables()
def _sync(registry: Registry, form: SyncForm, *, dry_run: bool) -> Report:
    asked = form.cleaned_data
    other = form.other
    with_whom = comparing.side_of(other) if other else comparing.side_at(Remote.at(asked["address"], asked["token"]))
    how = {"strategy": asked["strategy"], "results": asked["results"], "dry_run": dry_run}
    return syncing.sync(comparing.side_of(registry), with_whom, **how)


def _enqueue(registry: Registry, form: SyncForm) -> Any:
    asked = form.cleaned_data
    other = f"registry:{form.other.name}" if form.other else asked["address"]
    first = f"registry:{registry.name}"
    return changing.enqueue_sync(registry, first, other, asked["strategy"], results=asked["results"])


def _shown(form: SyncForm, report: Report) -> dict[str, Any]:
    sides = [
        (label, found, Comparison(form.known, form.known, found).planned(paged(found.changes)[0]))
        for label, found in zip(report.labels, (report.first, report.second), strict=True)
    ]
    listed = {name: getattr(report, name)[:LISTED] for name in ("conflicts", "undecided", "warnings")}
    undoable = any(found.count(CHANGED) or found.count(MISSING) for found in (report.first, report.second))
    return {"form": form, "report": report, "sides": sides, "listed": listed, "undoable": undoable}
