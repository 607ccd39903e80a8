"""Profiles: what there is, and the model that one means now, with the reasons."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from registry import profiling, resolving
from registry.access import needs
from registry.forms.profiles import ProfileForm
from registry.holding import Busy
from registry.models import Profile, Role
from registry.views.current import registry_of
from registry.weighing import asked_for

REASONS_SHOWN = 30


@require_safe
def profiles(request: HttpRequest) -> HttpResponse:
    rows = [(profile, asked_for(profile)) for profile in registry_of(request).profiles.all()]
    return render(request, "registry/profiles.html", {"rows": rows})


@require_safe
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    profile = get_object_or_404(Profile.objects.select_related("registry"), pk=pk)
    found = resolving.resolve(profile)
    shown = found.passed_over[:REASONS_SHOWN]
    context = {"profile": profile, "found": found, "shown": shown, "asked_for": asked_for(profile)}
    return render(request, "registry/profile.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def add(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        registry = registry_of(request)
        try:
            profiling.refuse_taken(registry, form.cleaned_data["name"])
            profile = profiling.save_profile(registry, **form.cleaned_data)
        except (ValueError, Busy) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{profile} is made.")
            return redirect(profile)
    return render(request, "registry/profile_form.html", {"form": form, "profile": None})


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    profile = get_object_or_404(Profile.objects.select_related("registry"), pk=pk)
    form = ProfileForm(request.POST or None, profile=profile)
    if request.method == "POST" and form.is_valid():
        try:
            profiling.save_profile(profile.registry, profile=profile, **form.cleaned_data)
        except (ValueError, Busy) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{profile} is saved.")
            return redirect(profile)
    return render(request, "registry/profile_form.html", {"form": form, "profile": profile})


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Says first what is lost; deletes on POST."""
    profile = get_object_or_404(Profile.objects.select_related("registry"), pk=pk)
    if request.method != "POST":
        return render(request, "registry/profile_delete.html", {"profile": profile, "asked_for": asked_for(profile)})
    try:
        profiling.delete_profile(profile)
    except Busy as error:
        messages.error(request, str(error))
        return redirect(profile)
    messages.success(request, f"{profile} is deleted; models stay as they are.")
    return redirect("profiles")
