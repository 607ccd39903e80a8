"""Adds people, changes what they may do, and lets them in."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from registry import admitting, signing_in
from registry.access import needs
from registry.forms.people import PersonForm, RoleForm
from registry.models import Role, User
from registry.views.settings_page import page


@require_POST
@needs(Role.ADMIN)
def add(request: HttpRequest) -> HttpResponse:
    form = PersonForm(request.POST)
    if not form.is_valid():
        return page(request, person=form)
    person = admitting.add_person(form.cleaned_data["username"], form.cleaned_data["role"])
    return page(request, invited=person, link=signing_in.link_for(person))


@require_POST
@needs(Role.ADMIN)
def login_link(request: HttpRequest, pk: int) -> HttpResponse:
    person = get_object_or_404(User, pk=pk, is_active=True)
    return page(request, invited=person, link=signing_in.link_for(person))


@require_POST
@needs(Role.ADMIN)
def change_role(request: HttpRequest, pk: int) -> HttpResponse:
    person = _someone_else(request, pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise BadRequest("A role is viewer, operator or admin.")
    admitting.change_role(person, form.cleaned_data["role"])
    messages.success(request, f"{person} is {person.role} now.")
    return redirect("settings")


@require_POST
@needs(Role.ADMIN)
def enable(request: HttpRequest, pk: int) -> HttpResponse:
    return _switch(request, pk, active=True)


@require_POST
@needs(Role.ADMIN)
def disable(request: HttpRequest, pk: int) -> HttpResponse:
    return _switch(request, pk, active=False)


def _switch(request: HttpRequest, pk: int, *, active: bool) -> HttpResponse:
    person = _someone_else(request, pk)
    admitting.let_in(person, active)
    what = "may come in again" if active else "is signed out and cannot come in any more"
    messages.success(request, f"{person} {what}.")
    return redirect("settings")


def _someone_else(request: HttpRequest, pk: int) -> User:
    """Nobody changes their own role or account: the last admin would lock everybody out."""
    if pk == request.user.pk:
        raise BadRequest("You cannot change your own role or account; ask another admin.")
    return get_object_or_404(User, pk=pk)
