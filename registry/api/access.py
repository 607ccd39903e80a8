"""Who calls the API, and the role each operation demands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest
from ninja.errors import AuthenticationError, AuthorizationError, HttpError
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie
from ninja.utils import check_csrf

from registry import acting
from registry.acting import Actor
from registry.api.problems import ALWAYS, WITH_BODY, documented
from registry.models import ApiToken, Role, User

Operation = TypeVar("Operation", bound=Callable[..., Any])

READING = ("get",)


@dataclass(frozen=True)
class Caller:
    """The person or program behind a request; `user` is the person, or who made the program's token."""

    name: str
    role: Role
    user: User | None
    token: ApiToken | None = None


class Request(HttpRequest):
    """A request whose caller is known."""

    auth: Caller


class BearerToken(HttpBearer):
    """An API token: `Authorization: Bearer lmx_...`."""

    def __init__(self, role: Role) -> None:
        super().__init__()
        self.role = role

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        holder = ApiToken.objects.select_related("created_by").holder(token)
        if holder is None:
            raise AuthenticationError(message="This API token is unknown or was revoked; create another in Settings.")
        user = holder.created_by if isinstance(holder.created_by, User) else None
        return _admitted(Caller(f"token {holder.name}", holder.allowed, user, holder), self.role)


class SessionCookie(APIKeyCookie):
    """The session of a browser that signed in; unsafe methods also need the CSRF token (`X-CSRFToken`)."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, role: Role) -> None:
        super().__init__(csrf=True)
        self.role = role

    def __call__(self, request: HttpRequest) -> Caller | None:
        if "Authorization" in request.headers:
            return None  # a program that shows a token means the token, not a cookie beside it
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        user = request.user
        if not (isinstance(user, User) and user.is_active):
            return None
        if check_csrf(request) is not None:
            raise HttpError(403, "The CSRF token is missing or wrong; send the cookie's value as X-CSRFToken.")
        return _admitted(Caller(user.username, Role(user.role), user), self.role)


def _admitted(caller: Caller, needed: Role) -> Caller:
    if not caller.role.covers(needed):
        detail = f"This takes the role {needed.value}, and {caller.name} has the role {caller.role.value}."
        raise AuthorizationError(message=detail)
    acting.begin(Actor("rest", caller.user, caller.name))
    return caller


def doors(role: Role) -> list[Any]:
    """The ways in for callers whose role covers `role`, in the order they are tried."""
    return [BearerToken(role), SessionCookie(role)]


def operation(
    route: Callable[..., Any],
    path: str,
    *,
    role: Role,
    answers: Any,
    status: int = 200,
    also: tuple[int, ...] = (),
    instead: Mapping[int, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Callable[[Operation], Operation]:
    """Registers a view at `route` (`router.get`, ...) for callers of `role`, with every status it can answer.

    `also`: error statuses beyond those that follow from the method and the path. `instead`: other good answers by
    status. `extra`: what the documentation says that no type tells.
    """
    faults = {*ALWAYS, *also}
    faults |= {404} if "{" in path else set()
    faults |= set() if route.__name__ in READING else set(WITH_BODY)

    def decorate(view: Operation) -> Operation:
        view.needed_role = role  # type: ignore[attr-defined]
        told = {"x-role": role.value, **(extra or {})}
        response = {status: answers, **(instead or {})} | documented(*sorted(faults))
        registered: Operation = route(path, auth=doors(role), response=response, openapi_extra=told)(view)
        return registered

    return decorate
