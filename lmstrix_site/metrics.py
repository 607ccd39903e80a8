"""/metrics: what monitoring reads, in the form of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from registry import measures
from registry.measures import OUTCOMES, TOKENS, Measures, Times
from registry.models import ApiToken

PLAIN = "text/plain; charset=utf-8"


@require_safe
@never_cache
@login_not_required  # it says 401 itself: monitoring cannot follow a redirect to the login page
def metrics(request: HttpRequest) -> HttpResponse:
    """For a token of any role, or who is signed in; never for strangers: names of models and servers are told."""
    try:
        if not _admitted(request):
            told = "Send an API token: Authorization: Bearer lmx_... (role viewer is enough; make one in Settings).\n"
            headers = {"WWW-Authenticate": 'Bearer realm="LMStrix"'}
            return HttpResponse(told, status=401, content_type=PLAIN, headers=headers)
        found = measures.measures()
    except DatabaseError:
        return HttpResponse("The database does not answer.\n", status=503, content_type=PLAIN)
    return HttpResponse(written(found), content_type=CONTENT_TYPE_LATEST)


def _admitted(request: HttpRequest) -> bool:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return scheme.lower() == "bearer" and ApiToken.objects.holder(secret.strip()) is not None
    return request.user.is_authenticated


def written(found: Measures) -> bytes:
    """All families as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(found))
    return generate_latest(registry)


class _Found(Collector):
    def __init__(self, found: Measures) -> None:
        self.found = found

    def collect(self) -> Iterator[Metric]:
        found = self.found
        yield from _requests(found)
        yield _histogram("request_duration", "From request to last byte.", found.times["durations"])
        yield _histogram("time_to_first_token", "Until the first token of streamed answers.", found.times["ttfts"])
        up = {name: int(reachable) for name, reachable in found.reachable.items()}
        yield _gauge("server_reachable", "1: the server answered the last look.", "server", up)
        yield _gauge("models_loaded", "Loaded copies of models.", "server", found.loaded)
        yield _gauge("jobs", "Jobs that are kept.", "status", found.jobs)
        yield _gauge("webhook_messages", "Messages to webhooks that are kept.", "status", found.deliveries)
        yield GaugeMetricFamily(
            "lmstrix_gateway_requests_in_flight", "Requests that wait for a model.", found.in_flight
        )
        yield CounterMetricFamily(
            "lmstrix_gateway_lost_records", "Requests that could not be noted: the spool was full.", found.lost_records
        )
        info = GaugeMetricFamily("lmstrix_build_info", "1; the version is the label.", labels=["version"])
        info.add_metric([version("lmstrix")], 1)
        yield info


def _requests(found: Measures) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "lmstrix_requests", "Requests to models.", labels=["model", "server", "outcome"]
    )  # fmt: skip
    tokens = CounterMetricFamily("lmstrix_tokens", "Tokens of requests.", labels=["model", "server", "kind"])
    for (model, server), counts in sorted(found.requests.items()):
        for name, outcome in OUTCOMES.items():
            requests.add_metric([model, server, outcome], counts[name])
        for name, kind in TOKENS.items():
            tokens.add_metric([model, server, kind], counts[name])
    yield requests
    yield tokens


def _histogram(name: str, told: str, times: Times) -> Metric:
    buckets = [(str(float(bound)), float(count)) for bound, count in times.within()]
    buckets.append(("+Inf", float(times.count)))
    return HistogramMetricFamily(f"lmstrix_{name}_seconds", told, buckets, times.microseconds / 1_000_000)


def _gauge(name: str, told: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"lmstrix_{name}", told, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
