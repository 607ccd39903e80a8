"""Coming in, by a one-time link or a password, and going out."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from registry.models import LoginLink
from registry.models.login_link import digest

BY_LINK = "django.contrib.auth.backends.ModelBackend"
REFUSALS = {
    "used": "This link has been used already: each signs in once.",
    "expired": "This link is older than ten minutes, so it no longer signs in.",
    "disabled": "This link belongs to an account that is disabled.",
    "unknown": "This link is not known here. It may be cut off, or from another LMStrix.",
}


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    # a HEAD (a chat's link preview, a checker) must not use the link up
    if request.method == "GET" and "key" in request.GET:
        return _by_link(request, request.GET["key"])
    form = AuthenticationForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        auth.login(request, form.get_user())
        return redirect(_next(request))
    refusal = REFUSALS.get(request.GET.get("link", ""), "")
    context = {"form": form, "next": _next(request), "refusal": refusal}
    return render(request, "registry/login.html", context)


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect("login")


def _by_link(request: HttpRequest, key: str) -> HttpResponse:
    """Signs in and goes on, or goes to the same page without the key: it stays in no address, no Referer."""
    link = LoginLink.objects.redeem(key)
    if link is not None:
        auth.login(request, link.user, backend=BY_LINK)
        answer = redirect(_next(request))
    else:
        answer = redirect(reverse("login") + "?" + urlencode({"link": _why_not(key), "next": _next(request)}))
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def _why_not(key: str) -> str:
    link = LoginLink.objects.select_related("user").filter(digest=digest(key)).first()
    if link is None:
        return "unknown"
    if link.used:
        return "used"
    return "expired" if link.expires <= timezone.now() else "disabled"


def _next(request: HttpRequest) -> str:
    """Where to go afterwards: only to a page of this site."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if safe else str(settings.LOGIN_REDIRECT_URL)
