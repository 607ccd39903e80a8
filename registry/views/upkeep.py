"""Upkeep: what breaks a rule and what mends it, what can be cleaned up, how much space can be given back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import changing, upkeep
from registry.access import needs
from registry.forms.upkeep import CleanupForm
from registry.holding import Busy
from registry.models import Registry, Role
from registry.templatetags.figures import plain_size
from registry.validating import Issue
from registry.views import plans
from registry.views.current import registry_of
from registry.views.plans import Plan

SHOWN = 200  # issues, orphans


@require_safe
def upkeep_page(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def fix(request: HttpRequest) -> HttpResponse:
    """Says what would be mended; does it on POST and says what was."""
    registry = registry_of(request)
    try:
        fixed = upkeep.fix(registry, dry_run=request.method != "POST")
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
        return redirect("upkeep")
    done = request.method == "POST"
    context = {"steps": list(fixed)[:SHOWN], "number": len(fixed.steps), "undo": fixed.undo, "done": done}
    return render(request, "registry/upkeep_fix.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def cleanup(request: HttpRequest) -> HttpResponse:
    """Shows what would go; starts the job on POST."""
    form = CleanupForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        return _page(request, form)
    registry = registry_of(request)
    if request.method == "POST":
        return redirect(changing.enqueue_cleanup(registry, **form.what))
    try:
        return plans.show(request, _cleaning(registry, form))
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
        return redirect("upkeep")


@require_POST
@needs(Role.ADMIN)
def compact(request: HttpRequest) -> HttpResponse:
    try:
        done = upkeep.compact(registry_of(request))
    except Busy as refusal:
        messages.error(request, str(refusal))
    else:
        told = f"{plain_size(done.before)} are {plain_size(done.after)} now"
        messages.success(request, f"Compacted: {told}, {plain_size(done.saved)} saved, {done.files:,} files deleted.")
    return redirect("upkeep")


def _page(request: HttpRequest, form: CleanupForm | None = None) -> HttpResponse:
    registry = registry_of(request)
    issues = upkeep.validate(registry)
    orphans = upkeep.orphans(registry)
    context = {
        "registry": registry,
        "issues": _linked(registry, issues[:SHOWN]),
        "number": len(issues),
        "fixable": sum(issue.fixable for issue in issues),
        "orphans": orphans.select_related("server")[:SHOWN],
        "orphans_count": orphans.count(),
        "form": form or CleanupForm(initial={"orphans": True}),
    }
    return render(request, "registry/upkeep.html", context)


def _cleaning(registry: Registry, form: CleanupForm) -> Plan:
    report = upkeep.cleanup(registry, **form.what, dry_run=True)
    asked = [(name, value) for name, value in form.cleaned_data.items() if value not in (None, False)]
    return Plan(
        title=f"Clean up {registry}?", lead="What is shown here goes.",
        diff=report.diff, warnings=report.warnings, hidden=[(name, "on" if v is True else v) for name, v in asked],
        action=reverse("upkeep-cleanup"), button="Clean up", back=reverse("upkeep"), danger=True,
        nothing="There is nothing to clean up.",
    )  # fmt: skip


def _linked(registry: Registry, issues: list[Issue]) -> list[dict[str, Any]]:
    """The issues, each with the page of its object."""
    named = [issue.object.partition(" ") for issue in issues]
    pages: dict[tuple[str, str], str] = {}
    for noun, rows in (("group", registry.groups), ("profile", registry.profiles), ("snapshot", registry.snapshots)):
        wanted = [name for kind, _, name in named if kind == noun]
        found = rows.filter(name__in=wanted) if wanted else ()
        pages |= {(noun, row.name): row.get_absolute_url() for row in found}
    return [
        {"issue": issue, "page": pages.get((noun, name)) or (_search(name) if noun == "model" else "")}
        for issue, (noun, _, name) in zip(issues, named, strict=True)
    ]


def _search(model: str) -> str:
    key = model.partition("/")[2] if "/" in model else model
    return reverse("models", query={"filter": f'name:"{key}"' if any(sign in key for sign in ':,"') else key})
