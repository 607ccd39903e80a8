"""Compares any two of registry, snapshot and another LMStrix, and takes over what was chosen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import changing, merging, replacing, snapshots
from registry.access import needs
from registry.documents import native
from registry.documents.content import Content
from registry.forms.comparing import RemoteForm, SidesForm
from registry.holding import Busy
from registry.merging import Merged
from registry.models import Job, Role, User
from registry.remote import Remote
from registry.views import plans, sides
from registry.views.choosing import Asked, spec_of
from registry.views.current import registry_of
from registry.views.plans import Plan

SAME_SHOWN = 500


@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """The diff of two sides; a POST only turns pages and keeps what is ticked. Without sides: choose them."""
    data = request.POST if request.method == "POST" else request.GET
    if not (data.get("before") and data.get("after")):
        return _choose(request)
    try:
        asked = Asked.read(data)
    except ValueError as refusal:
        messages.error(request, str(refusal))
        return _choose(request)
    return render(request, "registry/diff.html", _page(request, asked))


@require_POST
@needs(Role.ADMIN)
@sensitive_post_parameters("token")
def remote(request: HttpRequest) -> HttpResponse:
    """Reads another LMStrix once and keeps what it held as a snapshot, to compare with; its token is not kept."""
    form = RemoteForm(request.POST)
    if not form.is_valid():
        return _choose(request, form)
    try:
        other = Remote.at(form.cleaned_data["address"], form.cleaned_data["token"])
        document = native.canonical(native.as_native(other.read()[0], full=True))
        snapshot = snapshots.store_upload(registry_of(request), f"{other.registry} of {_host(other)}", document)
    except ValueError as refusal:
        form.add_error("address", str(refusal))
        return _choose(request, form)
    return redirect(address(sides.of_registry(registry_of(request)), sides.of_snapshot(snapshot)))


@require_POST
@needs(Role.ADMIN)
def preview(request: HttpRequest) -> HttpResponse:
    """What the registry would be with the chosen changes."""
    try:
        asked = Asked.read(request.POST)
        plan = _plan(asked, _tokens(asked))
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
        return redirect(address(request.POST.get("before", ""), request.POST.get("after", "")))
    return plans.show(request, plan)


@require_POST
@needs(Role.ADMIN)
def take(request: HttpRequest) -> HttpResponse:
    """Starts the job that takes the chosen changes over."""
    try:
        asked = Asked.read(request.POST)
        job = _start(asked, _tokens(asked))
    except ValueError as refusal:
        messages.error(request, str(refusal))
        return redirect(address(request.POST.get("before", ""), request.POST.get("after", "")))
    return redirect(job)


@require_safe
def download(request: HttpRequest) -> HttpResponse:
    """The whole diff as JSON."""
    try:
        asked = Asked.read(request.GET)
    except ValueError as refusal:
        messages.error(request, str(refusal))
        return _choose(request)
    sides_told = {"before": asked.before.label, "after": asked.after.label}
    changes = [_told(change) for change in asked.comparison.diff.changes]
    answer = JsonResponse({**sides_told, "changes": changes}, json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = 'attachment; filename="diff.json"'
    return answer


def address(before: str, after: str) -> str:
    """The page that compares these two."""
    return reverse("compare", query={"before": before, "after": after})


def _told(change: Any) -> dict[str, Any]:
    fields = {each.field: {"before": each.before, "after": each.after} for each in change.fields}
    told = {"kind": change.kind, "id": change.id, "name": change.name, "action": change.action}
    return told | ({"fields": fields} if fields else {"object": change.known})


def _page(request: HttpRequest, asked: Asked) -> dict[str, Any]:
    before, after = asked.before, asked.after
    diff = asked.comparison.diff
    same = asked.comparison.same()
    return {
        "asked": asked,
        "heading": diff.sentence(after.label, before.label),
        "same_count": len(same),
        "same": same[:SAME_SHOWN] if asked.same else [],
        "chips": [(name, count, name == asked.show) for name, count in asked.counts() if count or name == asked.show],
        "blocks": asked.comparison.blocks(asked.changes, asked.choice),
        "page": max(asked.page, 1),
        "pages": len(asked.pages),
        "chosen": asked.comparison.chosen(asked.choice),
        "total": asked.comparison.total,
        "can_take": sides.can_take(before, after),
        "choosing": sides.can_take(before, after) and isinstance(request.user, User) and request.user.may(Role.ADMIN),
        "query": urlencode({"before": spec_of(before), "after": spec_of(after)}),
        "swapped": address(spec_of(after), spec_of(before)),
        "now": address(sides.of_registry(registry_of(request)), spec_of(after)),
    }


def _choose(request: HttpRequest, form: RemoteForm | None = None) -> HttpResponse:
    registry = registry_of(request)
    newest = registry.snapshots.first()
    usual = {"before": sides.of_registry(registry), "after": sides.of_snapshot(newest) if newest else None}
    context = {"sides": SidesForm(initial=usual, registry=registry), "remote": form or RemoteForm(), "newest": newest}
    return render(request, "registry/diff_choose.html", context)


def _tokens(asked: Asked) -> set[str]:
    if not sides.can_take(asked.before, asked.after):
        raise ValueError("Only a registry as it is now can be changed: compare it with the other side.")
    tokens = {item.token for item in asked.chosen()}
    if not tokens:
        raise ValueError("Nothing is chosen; tick at least one change to take over.")
    return tokens


def _plan(asked: Asked, tokens: set[str]) -> Plan:
    registry, after = asked.before.registry, asked.after

    def target(now: Content) -> Merged:
        return Merged(merging.take_over(now, after.content, tokens))

    assert registry is not None  # noqa: S101  (`_tokens`)
    report = replacing.carry_out(registry, target, action="take over", source=after.label, dry_run=True)
    return Plan(
        title=f"Take over {len(tokens):,} of {after.label}?",
        lead=f"Registry {registry} changes as shown.",
        diff=report.diff, warnings=report.warnings, action=reverse("compare-take"), hidden=asked.hidden,
        button=f"Take over {len(tokens):,}", back=address(spec_of(asked.before), spec_of(after)),
    )  # fmt: skip


def _start(asked: Asked, tokens: set[str]) -> Job:
    after = asked.after
    if after.snapshot is not None:
        return changing.enqueue_merge(after.snapshot, "update", tokens)
    assert asked.before.registry is not None  # noqa: S101  (`_tokens`)
    return changing.enqueue_take_over(asked.before.registry, after.spec, tokens)


def _host(other: Remote) -> str:
    return other.site.partition("://")[2]
