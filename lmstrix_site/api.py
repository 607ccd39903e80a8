"""The one API: every router, every error mapped once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import AuthenticationError
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser

from lmstrix_site import api_errors, events
from registry.api import (
    comparing,
    downloads,
    exchange,
    groups,
    inferences,
    jobs,
    loading,
    memory,
    models,
    profiles,
    registries,
    scans,
    servers,
    snapshots,
    states,
    tags,
    tokens,
    upkeep,
    usage,
    webhooks,
)
from registry.api.access import Request, doors, operation
from registry.api.problems import CONTENT_TYPE, problem
from registry.lmstudio import strict_json
from registry.models import Role
from testing.api import context_tests

View = Callable[..., HttpResponseBase]

DESCRIPTION = """
What LMStrix does, for programs. Sign in with `Authorization: Bearer <token>` (create one in Settings, or with
`lmstrix token create NAME`), or with the session of a browser and its CSRF token. Roles: a *viewer* reads, an
*operator* also runs work, an *admin* also changes servers and tokens. Errors are problem documents (RFC 9457).
Lists are read page by page with `limit` and `cursor`. Times are ISO 8601 in UTC, sizes in bytes, durations in seconds;
null means unknown.
"""


class StrictParser(Parser):
    """Reads bodies as JSON really is: no NaN, no lone surrogates, no numbers beyond 64 bits, no key twice."""

    def parse_body(self, request: HttpRequest) -> Any:
        return strict_json.loads(request.body)


class SiteAPI(NinjaAPI):
    """Ninja, with a problem document for every error below its address and its own sign-in."""

    def _get_urls(self) -> list[URLPattern | URLResolver]:
        patterns = super()._get_urls()
        for pattern in patterns:
            assert pattern.callback is not None  # noqa: S101  (Ninja makes no nested URLconfs)
            pattern.callback = _door(pattern.callback)
        return [*patterns, re_path("", _door(_nowhere))]

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**options)
        for each in _operations(schema):
            for status, answer in each["responses"].items():
                if int(status) >= 400:
                    answer["content"] = {CONTENT_TYPE: answer["content"].pop("application/json")}
        return schema


def _operations(schema: OpenAPISchema) -> list[dict[str, Any]]:
    return [each for methods in schema["paths"].values() for each in methods.values()]


def _door(view: View) -> View:
    """`view` with its own sign-in instead of the pages', and every error as a problem document."""

    @csrf_exempt  # the session cookie checks it itself
    @login_not_required
    @wraps(view)
    def door(request: HttpRequest, **path: Any) -> HttpResponseBase:
        if _sends_body(request) and request.content_type not in _taken(request):
            return problem(415, f"Send the body as {' or '.join(_taken(request))}, with that Content-Type.")
        try:
            answer = view(request, **path)
        except Exception as error:
            return api.on_exception(request, error)
        if answer.status_code == 405:
            allowed = ", ".join(sorted(answer.headers["Allow"].split(", ")))
            return problem(405, f"{request.method} cannot be used here; use {allowed}.", headers={"Allow": allowed})
        return answer

    return door


def _sends_body(request: HttpRequest) -> bool:
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return False  # where a body means nothing and is not read
    return request.META.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in request.META


def _taken(request: HttpRequest) -> tuple[str, ...]:
    """The content types of bodies here: JSON, and where a file comes in the types of files."""
    match = request.resolver_match
    return exchange.FILE_TYPES if match and match.url_name == "import_registry" else ("application/json",)


def _nowhere(request: HttpRequest) -> HttpResponseBase:
    raise Http404(f"There is nothing at {request.path}; /api/docs lists what there is.")


def _any_role(view: View) -> View:
    """Lets anybody who is signed in see the documentation; a browser that is not goes to the login page."""

    def seen(request: HttpRequest, **path: Any) -> HttpResponseBase:
        if any(door(request) for door in doors(Role.VIEWER)):
            return view(request, **path)
        if "text/html" in request.headers.get("Accept", ""):
            return redirect_to_login(request.get_full_path())
        raise AuthenticationError

    return seen


api = SiteAPI(
    title="LMStrix",
    version="1.0",
    description=DESCRIPTION,
    urls_namespace="api",
    auth=doors(Role.ADMIN),  # an operation that forgot to say its role is not open to everybody
    docs_decorator=_any_role,
    parser=StrictParser(),
)
for part in (comparing, exchange, upkeep, registries):  # a registry's name may hold slashes: the bare name comes last
    api.add_router("/registries", part.router)
api.add_router("/snapshots", snapshots.router)
api.add_router("/servers", servers.router)
api.add_router("/servers", downloads.router)
api.add_router("/servers", memory.of_servers)
api.add_router("/memory", memory.router)
api.add_router("/models", models.router)
api.add_router("/models", loading.of_models)
api.add_router("/models", states.router)
api.add_router("/models", tags.of_models)
api.add_router("/models", usage.of_models)
api.add_router("/usage", usage.router)
api.add_router("/inferences", inferences.router)
api.add_router("/inferences", usage.of_inferences)
api.add_router("/tags", tags.router)
api.add_router("/groups", loading.of_groups)  # before the addresses that end in a name
api.add_router("/groups", groups.router)
api.add_router("/profiles", profiles.router)
api.add_router("/context-tests", context_tests.router)
api.add_router("/jobs", jobs.router)
api.add_router("/scans", scans.router)
api.add_router("/tokens", tokens.router)
api.add_router("/webhooks", webhooks.router)
api_errors.register(api)


@operation(api.get, "/events", role=Role.VIEWER, answers=None)
def tell_events(request: Request) -> HttpResponseBase:
    """Server-sent events `job`, `state` and `health` with the `id` of what changed, and `tick` every 15 seconds.

    A stream ends after five minutes; event sources come back by themselves.
    """
    return events.stream(events.API_KINDS)
