"""The overview: how things are, what runs, what needs a look, what was found last."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from lmstrix_site import context
from lmstrix_site.pages import activity, attention, day, running, servers, statuses
from registry.models import Role, User
from registry.views.current import registry_of
from testing.models import ContextTest
from testing.models.context_test import GOOD

LATEST = 8


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "lmstrix_site/overview.html", _now(request))


@require_safe
def overview_live(request: HttpRequest) -> HttpResponse:
    return render(request, "lmstrix_site/overview_live.html", _now(request))


@require_safe
def shell_live(request: HttpRequest) -> HttpResponse:
    """The navigation with its counts."""
    return render(request, "includes/sections.html", context.around(request, context.page_behind(request)))


def _is_admin(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.may(Role.ADMIN)


def _now(request: HttpRequest) -> dict[str, Any]:
    registry = registry_of(request)
    offered = servers.shown(registry)
    counted = statuses.counted(registry)
    items = attention.items(offered.silent, counted, registry, for_admin=_is_admin(request))
    scan = activity.last_scan(registry)
    return {
        "day": day.day(registry, timezone.now()),
        "servers": offered,
        "statuses": counted,
        "attention": items[: attention.SHOWN],
        "attention_more": max(len(items) - attention.SHOWN, 0),
        "headline": statuses.headline(offered, len(items)),
        "work": running.now(registry),
        "scan": scan,
        "scan_told": activity.scan_told(scan) if scan else "",
        "latest": list(
            ContextTest.objects.filter(model__registry=registry).exclude(verdict="")
            .select_related("model", "server", "job").order_by(F("job__ended").desc(nulls_last=True), "-pk")[:LATEST]
        ),
        "good": GOOD,
        "feed": activity.feed(registry),
    }  # fmt: skip
