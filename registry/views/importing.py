"""Imports a file: it is kept and checked, what it changes is shown, then it is done as a job."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from registry import changing, exchanging, keeping, snapshots
from registry.access import needs
from registry.documents.content import Unreadable
from registry.forms.comparing import STRATEGIES
from registry.forms.importing import ImportForm
from registry.forms.snapshots import MergeForm
from registry.holding import Busy
from registry.models import Role, Snapshot
from registry.models.snapshot import Origin
from registry.strategies import UPDATE
from registry.views import plans
from registry.views.current import registry_of
from registry.views.plans import Plan


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def import_file(request: HttpRequest) -> HttpResponse:
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form)
    file = form.cleaned_data["file"]
    try:
        kept = snapshots.store_upload(registry_of(request), file.name, file.read())
    except Unreadable as refusal:
        return _form(request, form, refused=file.name, faults=refusal.faults)
    except ValueError as refusal:
        form.add_error("file", str(refusal))
        return _form(request, form)
    strategy = {"strategy": form.cleaned_data["strategy"]}
    return redirect(reverse("import-preview", args=[kept.pk], query=strategy))


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What the import of a kept file changes; starts the job on POST."""
    upload = get_object_or_404(Snapshot.objects.select_related("registry"), pk=pk, origin=Origin.UPLOAD)
    asked = request.POST if request.method == "POST" else request.GET
    strategy = asked["strategy"] if asked.get("strategy") in STRATEGIES else UPDATE
    if request.method == "POST":
        return redirect(changing.enqueue_import(upload.registry, upload, strategy))
    try:
        plan = _plan(upload, strategy)
    except Unreadable as refusal:
        return _form(request, ImportForm(), refused=upload.name, faults=refusal.faults)
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
        return redirect("import")
    return plans.show(request, plan, strategies=MergeForm(initial={"strategy": strategy}), importing=True)


def _plan(upload: Snapshot, strategy: str) -> Plan:
    registry, data = upload.registry, keeping.document(upload)
    report = exchanging.bring_in(registry, data, strategy=strategy, dry_run=True, name=upload.name)
    number = len(report.diff.changes)
    told = f"{number:,} change{'' if number == 1 else 's'}"
    return Plan(
        title=f"{upload} brings {told}" if number else f"{upload} brings nothing new",
        lead=f"Registry {registry} changes as shown; what the file does not tell of stays. Nothing is written yet.",
        diff=report.diff, warnings=report.warnings, undecided=report.undecided, hidden=[("strategy", strategy)],
        action=reverse("import-preview", args=[upload.pk]), button=f"Import {told}", back=reverse("import"),
        nothing="Everything in the file is here already, or stays as it is by this rule.",
    )  # fmt: skip


def _form(request: HttpRequest, form: ImportForm, **refused: Any) -> HttpResponse:
    context = {"form": form, "registry": registry_of(request)}
    return render(request, "registry/import.html", context | refused)
