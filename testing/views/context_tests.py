"""The list of the context tests of the chosen registry."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.models.job import OPEN
from registry.views import listing
from registry.views.current import registry_of
from testing import context_testing
from testing.models import ContextTest


@require_safe
def context_tests(request: HttpRequest) -> HttpResponse:
    return render(request, "testing/context_tests.html", _list(request))


@require_safe
def context_tests_live(request: HttpRequest) -> HttpResponse:
    return render(request, "testing/context_tests_live.html", _list(request))


def _list(request: HttpRequest) -> dict[str, Any]:
    registry = registry_of(request)
    tests = ContextTest.objects.filter(model__registry=registry).select_related("model", "server", "job")
    going = list(tests.filter(job__status__in=OPEN).order_by("pk")[: listing.OPEN_SHOWN])
    page = listing.latest_first(request, tests.exclude(job__status__in=OPEN))
    return {
        "open_tests": [_with_bracket(test) for test in going],
        "page": page,
        "pages": listing.turning(request, page),
        "untested": context_testing.untested(registry).count(),
        "query": request.GET.urlencode(),
    }


def _with_bracket(test: ContextTest) -> ContextTest:
    """What works so far, for tests that run; a waiting one has tried nothing."""
    running = test.job is not None and test.job.started is not None
    test.so_far = context_testing.search_of(test).low if running else 0  # type: ignore[attr-defined]
    return test
