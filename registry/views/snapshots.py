"""Snapshots: taken, kept, looked into, restored, merged, deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import changing, keeping, snapshots
from registry.access import needs
from registry.documents.content import Unreadable
from registry.forms.snapshots import MergeForm, SnapshotForm, UploadForm
from registry.holding import Busy
from registry.models import Role, Snapshot
from registry.models.snapshot import Origin
from registry.strategies import STRATEGIES, UPDATE
from registry.views import comparing, listing, plans, sides
from registry.views.current import registry_of
from registry.views.plans import Plan


@require_safe
def snapshots_page(request: HttpRequest) -> HttpResponse:
    return _list(request)


@require_POST
@needs(Role.OPERATOR)
def take(request: HttpRequest) -> HttpResponse:
    form = SnapshotForm(request.POST)
    if form.is_valid():
        try:
            taken = snapshots.create(registry_of(request), form.cleaned_data["name"])
        except (ValueError, Busy) as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, f"The snapshot {taken} is taken.")
            return redirect("snapshots")
    return _list(request, take=form)


@require_POST
@needs(Role.ADMIN)
def upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST, request.FILES)
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            kept = snapshots.store_upload(registry_of(request), file.name, file.read())
        except Unreadable as refusal:
            return _list(request, upload=form, refused=file.name, faults=refusal.faults)
        except ValueError as refusal:
            form.add_error("file", str(refusal))
        else:
            messages.success(request, f"{file.name} is good and kept as {kept}. Compare, restore or merge it.")
            return redirect(kept)
    return _list(request, upload=form)


@require_safe
def snapshot(request: HttpRequest, pk: int) -> HttpResponse:
    snapshot = _one(pk)
    compared = comparing.address(sides.of_registry(snapshot.registry), sides.of_snapshot(snapshot))
    context = {"snapshot": snapshot, "compared": compared, "merge": MergeForm(), "until": _until(snapshot)}
    return render(request, "registry/snapshot.html", context | {"damage": _damage(snapshot)})


@require_safe
def download(request: HttpRequest, pk: int) -> HttpResponse:
    """The document itself, as it was taken."""
    snapshot = _one(pk)
    try:
        document = keeping.document(snapshot)
    except ValueError as refusal:
        messages.error(request, str(refusal))
        return redirect(snapshot)
    answer = HttpResponse(document, content_type="application/json")
    answer.headers["Content-Disposition"] = attachment(f"{snapshot.registry.name} {snapshot.name}.json")
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows first what comes, goes and changes; starts the job on POST."""
    snapshot = _one(pk)
    if request.method == "POST":
        return redirect(changing.enqueue_restore(snapshot))
    try:
        return plans.show(request, _restoring(snapshot), snapshot=snapshot)
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
        return redirect(snapshot)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def merge(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows what a merge by a strategy would do; starts the job on POST."""
    snapshot = _one(pk)
    asked = request.POST if request.method == "POST" else request.GET
    strategy = asked.get("strategy", UPDATE) if asked.get("strategy") in STRATEGIES else UPDATE
    if request.method == "POST":
        return redirect(changing.enqueue_merge(snapshot, strategy))
    try:
        plan = _merging(snapshot, strategy)
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
        return redirect(snapshot)
    return plans.show(request, plan, snapshot=snapshot, strategies=MergeForm(initial={"strategy": strategy}))


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Says first what is lost; deletes on POST."""
    snapshot = _one(pk)
    if request.method != "POST":
        return render(request, "registry/snapshot_delete.html", {"snapshot": snapshot})
    snapshots.delete(snapshot)
    messages.success(request, f"The snapshot {snapshot} is deleted.")
    return redirect("snapshots")


def _one(pk: int) -> Snapshot:
    return get_object_or_404(Snapshot.objects.select_related("registry", "made_by"), pk=pk)


def _list(request: HttpRequest, **forms: Any) -> HttpResponse:
    taken = registry_of(request).snapshots.select_related("made_by")
    counts = [(origin.label, taken.filter(origin=origin).count()) for origin in Origin]
    wanted = next((origin for origin in Origin if origin.label == request.GET.get("origin")), None)
    page = listing.latest_first(request, taken.filter(origin=wanted) if wanted else taken)
    context = {
        "page": page,
        "pages": listing.turning(request, page),
        "chips": listing.chips(request, "origin", counts),
        "all": sum(count for _, count in counts),
        "newest": taken.first(),
        "last_daily": taken.filter(origin=Origin.DAILY).first(),
        "keep": settings.SNAPSHOT_KEEP,
        "safety_days": settings.SAFETY_SNAPSHOT_DAYS,
        "take": SnapshotForm(),
        "upload": UploadForm(),
    }
    return render(request, "registry/snapshots.html", context | forms)


def _restoring(snapshot: Snapshot) -> Plan:
    report = snapshots.restore(snapshot, dry_run=True)
    return Plan(
        title=f"Restore {snapshot.registry} from {snapshot}?",
        lead="The registry becomes what it was then, as shown.",
        diff=report.diff, warnings=report.warnings, action=reverse("snapshot-restore", args=[snapshot.pk]),
        button="Restore", back=snapshot.get_absolute_url(),
        nothing=f"Nothing to restore: {snapshot.registry} is just as it was in {snapshot}.",
    )  # fmt: skip


def _merging(snapshot: Snapshot, strategy: str) -> Plan:
    report = snapshots.merge(snapshot, strategy, dry_run=True)
    number = len(report.diff.changes)
    return Plan(
        title=f"Merge {snapshot} into {snapshot.registry}?",
        lead="What the snapshot lacks stays as it is.",
        diff=report.diff, warnings=report.warnings, undecided=report.undecided, hidden=[("strategy", strategy)],
        action=reverse("snapshot-merge", args=[snapshot.pk]), button=f"Merge {number:,} change{'s'[: number != 1]}",
        back=snapshot.get_absolute_url(), nothing=f"Nothing to merge: by this rule {snapshot} brings nothing new.",
    )  # fmt: skip


def _until(snapshot: Snapshot) -> Any:
    """Until when it is kept; None: until somebody deletes it, or by number."""
    if snapshot.origin not in (Origin.SAFETY, Origin.UPLOAD):
        return None
    return snapshot.created + timedelta(days=settings.SAFETY_SNAPSHOT_DAYS)


def _damage(snapshot: Snapshot) -> str:
    if keeping.lost_file(snapshot):
        return "Its file is gone from the data directory: it can neither be restored nor downloaded."
    return "Its file is damaged: it can neither be restored nor downloaded." if keeping.damaged(snapshot) else ""


def attachment(name: str) -> str:
    """A Content-Disposition whose file name has no sign that a system does not take."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-_. ") else "_" for char in name)
    return f'attachment; filename="{plain}"'
