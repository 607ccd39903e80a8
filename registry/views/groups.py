"""Groups: what there is, and one group with its models in their order."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import filtering, grouping
from registry.access import needs
from registry.filters import BadFilter
from registry.forms.groups import GroupForm
from registry.holding import Busy
from registry.models import Group, LanguageModel, Role
from registry.models.language_model import CheckStatus, LanguageModelQuerySet
from registry.views import listing
from registry.views.current import registry_of

FOUND_SHOWN = 12
TESTED = Q(models__test_status=CheckStatus.TESTED, models__stale=False, models__missing=False)


@require_safe
def groups(request: HttpRequest) -> HttpResponse:
    groups = registry_of(request).groups.annotate(count=Count("models"), tested=Count("models", filter=TESTED))
    return render(request, "registry/groups.html", {"groups": groups.order_by("name")})


@require_safe
def group(request: HttpRequest, pk: int) -> HttpResponse:
    group = get_object_or_404(Group.objects.select_related("registry"), pk=pk)
    page = listing.page(
        request, grouping.models_of(group).for_list(), sort="place", reverse=False, columns={"place": "place"}
    )
    context = {"group": group, "page": page, "pages": listing.turning(request, page), "counts": _counts(group)}
    return render(request, "registry/group.html", context | _found(group, request.GET.get("find", "").strip()))


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def add(request: HttpRequest) -> HttpResponse:
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            group = grouping.create_group(registry_of(request), **form.cleaned_data)
        except (ValueError, Busy) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{group} is made. Add its models now.")
            return redirect(group)
    return render(request, "registry/group_form.html", {"form": form, "group": None})


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    group = get_object_or_404(Group.objects.select_related("registry"), pk=pk)
    form = GroupForm(request.POST or None, group=group)
    if request.method == "POST" and form.is_valid():
        try:
            group = grouping.edit_group(group, **form.cleaned_data)
        except (ValueError, Busy) as error:
            group.refresh_from_db()
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{group} is saved.")
            return redirect(group)
    return render(request, "registry/group_form.html", {"form": form, "group": group})


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Says first what is lost; deletes on POST."""
    group = get_object_or_404(Group.objects.select_related("registry"), pk=pk)
    if request.method != "POST":
        return render(request, "registry/group_delete.html", {"group": group, "counts": _counts(group)})
    try:
        grouping.delete_group(group)
    except Busy as error:
        messages.error(request, str(error))
        return redirect(group)
    messages.success(request, f"{group} is deleted; its models stay.")
    return redirect("groups")


@require_POST
@needs(Role.OPERATOR)
def add_models(request: HttpRequest, pk: int) -> HttpResponse:
    """Adds the ticked models, or all that the search found."""
    group = get_object_or_404(Group.objects.select_related("registry"), pk=pk)
    try:
        chosen = _search(group, request.POST.get("find", "")) if "all" in request.POST else _ticked(request)
        count = grouping.add_to_group(group, chosen)
    except (ValueError, Busy) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{count:,} model{'' if count == 1 else 's'} added to {group}.")
    return redirect(group)


@require_POST
@needs(Role.OPERATOR)
def remove_models(request: HttpRequest, pk: int) -> HttpResponse:
    group = get_object_or_404(Group.objects.select_related("registry"), pk=pk)
    try:
        count = grouping.remove_from_group(group, _ticked(request))
    except Busy as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, f"{count:,} model{'' if count == 1 else 's'} taken out of {group}; nothing is deleted."
        )
    return redirect(group)


@require_POST
@needs(Role.OPERATOR)
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """Moves one model a place up or down."""
    group = get_object_or_404(Group.objects.select_related("registry"), pk=pk)
    model = _ticked(request).first()
    try:
        if model is not None:
            grouping.move(group, model, 1 if request.POST.get("to") == "down" else -1)
    except (ValueError, Busy) as error:
        messages.error(request, str(error))
    return redirect(f"{group.get_absolute_url()}{listing.address(request)}")


def _ticked(request: HttpRequest) -> LanguageModelQuerySet:
    ids = [value for value in request.POST.getlist("model") if value.isdecimal() and len(value) < 19]
    return LanguageModel.objects.filter(pk__in=ids).order_by("key", "pk")


def _search(group: Group, text: str) -> LanguageModelQuerySet:
    """The models of the registry that match and are not in the group."""
    return filtering.filtered(LanguageModel.objects.filter(registry=group.registry), text).exclude(groups=group)


def _found(group: Group, text: str) -> dict[str, Any]:
    if not text:
        return {"find": text}
    try:
        matching = _search(group, text)
    except BadFilter as error:
        return {"find": text, "problem": str(error)}
    found = matching.select_related("server").order_by("name", "pk")[:FOUND_SHOWN]
    return {"find": text, "found": found, "found_total": matching.count()}


def _counts(group: Group) -> dict[str, Any]:
    """How many models it holds, how many of them are verified, and when the last was tested."""
    tested = Q(test_status=CheckStatus.TESTED, stale=False, missing=False)
    return group.models.aggregate(
        all=Count("pk"),
        tested=Count("pk", filter=tested),
        gone=Count("pk", filter=Q(missing=True)),
        testable=Count("pk", filter=Q(missing=False, server__enabled=True) & ~Q(type="embedding")),
        servers=Count("server", distinct=True),
        last=Max("last_tested"),
    )
