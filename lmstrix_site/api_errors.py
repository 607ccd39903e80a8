"""Every error of the API, mapped to its problem document once."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from registry.api.problems import Fault, problem
from registry.documents.content import Unreadable
from registry.filters import BadFilter
from registry.holding import Busy
from registry.lmstudio.errors import (
    ContextTooLong,
    ForbiddenAddress,
    LMStudioError,
    ModelNotFound,
    OutOfMemory,
    TimedOut,
)

log = logging.getLogger(__name__)

# Trouble with a server that LMStrix talks to for the caller: never 401 or 403, the caller's own credentials are good.
STATUS = {
    LMStudioError: 502,
    TimedOut: 504,
    ModelNotFound: 404,
    OutOfMemory: 503,
    ContextTooLong: 422,
    ForbiddenAddress: 422,
}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="LMStrix"'}


def register(api: NinjaAPI) -> None:
    """Adds the mapping to `api`."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        HttpError: _http,
        Http404: _not_found,
        PermissionDenied: _denied,
        ValidationError: _invalid,
        ValueError: _refused,
        LMStudioError: _server_trouble,
        RequestDataTooBig: _too_big,
        UnreadablePostError: _cut_off,
        Busy: _busy,
        Unreadable: _unreadable,
        IntegrityError: _conflict,
        OperationalError: _no_database,
        InterfaceError: _no_database,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error, AuthenticationError):
        detail = error.message if error.message != "Unauthorized" else "Sign in, or send an API token."
        return problem(401, detail, headers=CHALLENGE)
    return problem(error.status_code, error.message)


def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, str(error))


def _denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return problem(403, str(error) or "You may not do this.")


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Every value that is wrong, by the place where the client wrote it."""
    faults = [Fault(where=_place(each["loc"]), message=each["msg"]) for each in error.errors]
    detail = "; ".join(f"{fault.where}: {fault.message}" for fault in faults[:3])
    return problem(422, f"{detail}{', and more' if len(faults) > 3 else ''}.", errors=faults)


def _place(location: Sequence[str | int]) -> str:
    # the second part is the name of our own parameter, which no client knows
    parts = [*location[:1], *location[2:]] if location[:1] == ("body",) else location
    return ".".join(str(part) for part in parts)


def _refused(request: HttpRequest, error: ValueError) -> HttpResponse:
    """A refusal of a verb, in words for people; what Python raises by itself is a mistake of ours."""
    return problem(422, str(error)) if type(error) in (ValueError, BadFilter) else _unexpected(request, error)


def _unreadable(request: HttpRequest, error: Unreadable) -> HttpResponse:
    """Every fault of a file, by its place there."""
    return problem(422, str(error), errors=[Fault(where=each.place, message=each.text) for each in error.faults])


def _busy(request: HttpRequest, error: Busy) -> HttpResponse:
    return problem(409, str(error), headers={"Retry-After": "5"})


def _server_trouble(request: HttpRequest, error: LMStudioError) -> HttpResponse:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    return problem(status, str(error), kind=f"urn:lmstrix:{name}")


def _too_big(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(413, f"The body may have at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20} MiB.")


def _cut_off(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(400, "The body ended too early.")


def _conflict(request: HttpRequest, error: Exception) -> HttpResponse:
    log.info("conflict at %s: %s", request.path, error)
    return problem(409, "Somebody else changed the same object just now; look at it again and repeat.")


def _no_database(request: HttpRequest, error: Exception) -> HttpResponse:
    log.warning("the database did not answer: %s", error)
    return problem(503, "The database does not answer; try again in a moment.", headers={"Retry-After": "5"})


def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    name = uuid.uuid4().hex
    log.error("request %s failed: %s %s", name, request.method, request.path, exc_info=error)
    detail = f"Something went wrong inside LMStrix. Its log tells more under request {name}."
    return problem(500, detail, kind=f"urn:uuid:{uuid.UUID(name)}")
