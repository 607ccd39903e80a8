"""Issues and revokes the tokens of programs."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from registry import admitting
from registry.access import needs
from registry.forms.people import GATEWAY, TokenForm, TokenLimitsForm
from registry.models import ApiToken, Role, User
from registry.views.settings_page import page


@require_POST
@needs(Role.ADMIN)
def issue(request: HttpRequest) -> HttpResponse:
    issuer = cast(User, request.user)
    form = TokenForm(request.POST, issuer=issuer)
    if not form.is_valid():
        return page(request, token=form)
    named = form.cleaned_data
    token, secret = admitting.issue_token(named["name"], named["role"], issuer, **form.gateway)
    return page(request, new_token=token, secret=secret)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """What a token may use of the gateway; its name, role and secret stay."""
    token = get_object_or_404(ApiToken.objects.usable().select_related("registry"), pk=pk)
    form = TokenLimitsForm(request.POST or None, initial={name: getattr(token, name) for name in GATEWAY})
    if request.method == "POST" and form.is_valid():
        admitting.change_token(token, **form.gateway)
        messages.success(request, f"Saved: the token {token} goes by its new limits from the next second on.")
        return redirect("settings")
    return render(request, "registry/token_form.html", {"token": token, "form": form})


@require_POST
@needs(Role.ADMIN)
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken.objects.usable(), pk=pk)
    admitting.revoke_token(token)
    messages.success(request, f"The token {token} is revoked: what used it is refused from now on.")
    return redirect("settings")
