"""Settings: one's own password; for admins also tokens and people."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from registry.forms.people import PersonForm, TokenForm
from registry.models import ApiToken, Role, User


@require_safe
def settings_page(request: HttpRequest) -> HttpResponse:
    return page(request)


@require_POST
@never_cache
@sensitive_post_parameters()
def password(request: HttpRequest) -> HttpResponse:
    form = password_form(cast(User, request.user), request.POST)
    if not form.is_valid():
        return page(request, password=form)
    update_session_auth_hash(request, form.save())
    messages.success(request, "Your password is set. Other sessions of yours are signed out.")
    return redirect("settings")


def password_form(user: User, data: Any = None) -> SetPasswordForm[User]:
    """Asks for the old password only where there is one: people who came by a link have none yet."""
    form = PasswordChangeForm(user, data) if user.has_usable_password() else SetPasswordForm(user, data)
    form.fields["new_password1"].help_text = "At least 8 characters; not your name, not a common password."
    form.fields["new_password2"].label, form.fields["new_password2"].help_text = "The same again", ""
    return form


def page(request: HttpRequest, **forms: Any) -> HttpResponse:
    """The settings page, with forms that came back with errors and what is shown only once."""
    user = cast(User, request.user)
    context: dict[str, Any] = {"password": password_form(user), "person": PersonForm(), "roles": Role.choices}
    if user.may(Role.ADMIN):
        context |= {
            "token": TokenForm(issuer=user),
            "tokens": ApiToken.objects.select_related("created_by", "registry").order_by("-created"),
            "people": User.objects.order_by("username"),
        }
    answer = render(request, "registry/settings.html", context | forms)
    if any(isinstance(value, str) for value in forms.values()):  # a secret: nothing may keep it
        answer["Cache-Control"] = "no-store"
    return answer
