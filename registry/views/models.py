"""The list of models."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, Q, Subquery, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.models import LanguageModel, Registry, Server
from registry.models.language_model import CheckStatus, LanguageModelQuerySet, State
from registry.models.registry import DEFAULT
from registry.views import listing

COLUMNS = {
    "name": "name",
    "server": "server__name",
    "size": "size_bytes",
    "params": "parameter_count",
    "ctx": "tested_context",
    "speed": "tokens_per_second",
    "status": "test_status",
    "date": "last_tested",
}
STATUSES = {
    "tested": Q(test_status=CheckStatus.TESTED, stale=False),
    "untested": Q(test_status=CheckStatus.UNTESTED),
    "testing": Q(test_status=CheckStatus.TESTING),
    "failed": Q(test_status=CheckStatus.FAILED),
    "stale": Q(stale=True),
    "loaded": Q(state__in=[State.LOADED, State.ACTIVE]),
    "missing": Q(missing=True),
}
SERVER_CHIPS = 6


def filtered(models: LanguageModelQuerySet, asked: QueryDict) -> LanguageModelQuerySet:
    """The models that the search box (`filter`, or `q`: part of key or name) and the chips ask for."""
    for word in searched(asked).split():
        models = models.filter(Q(key__icontains=word) | Q(name__icontains=word))
    if status := STATUSES.get(asked.get("status", "")):
        models = models.filter(status)
    if server := asked.get("server"):
        models = models.filter(server__name=server)
    return models


def searched(asked: QueryDict) -> str:
    return asked.get("filter") or asked.get("q") or ""


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    return render(request, "registry/models.html", _list(request))


def _list(request: HttpRequest) -> dict[str, Any]:
    # as a scalar subquery: no query of its own, and the index of each order is still used
    registry = Subquery(Registry.objects.filter(name=DEFAULT).values("pk")[:1])
    everything = LanguageModel.objects.filter(registry=registry)
    counts = _counts(everything)
    chips = listing.chips(request, "status", [(name, counts[name]) for name in STATUSES])
    order = listing.Order.asked(request, COLUMNS)
    page = order.page(filtered(everything, request.GET).for_list())
    return {
        "page": page,
        "pages": listing.turning(request, page),
        "headings": order.headings(),
        "counts": counts,
        "chips": chips + listing.chips(request, "server", _servers(everything)),
        "searched": searched(request.GET),
        "narrowed": any(request.GET.get(name) for name in ("filter", "q", "status", "server")),
        "any_server": page.total > 0 or Server.objects.exists(),
    }


def _counts(models: LanguageModelQuerySet) -> dict[str, int]:
    """How many models there are, how many of each status, and how large they are together; one query."""
    return models.aggregate(
        all=Count("pk"),
        present=Count("pk", filter=Q(missing=False)),
        bytes=Sum("size_bytes", default=0),
        servers=Count("server", distinct=True),
        overstated=Count("pk", filter=STATUSES["tested"] & Q(tested_context__lt=F("declared_context"))),
        **{name: Count("pk", filter=condition) for name, condition in STATUSES.items()},
    )


def _servers(models: LanguageModelQuerySet) -> list[tuple[str, int]]:
    """The servers with the most models, when there is more than one."""
    named = models.exclude(server=None).order_by().values_list("server__name").annotate(n=Count("pk"))
    counted = [(str(name), int(n)) for name, n in named.order_by("-n", "server__name")[:SERVER_CHIPS]]
    return counted if len(counted) > 1 else []
