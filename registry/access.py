"""Who may use a page: signing in is demanded everywhere, a role where something is changed."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from registry.models import Role, User

View = TypeVar("View", bound=Callable[..., Any])


def demand(request: HttpRequest, role: Role) -> None:
    """Raises PermissionDenied, which says which role it takes, when the person's does not cover `role`."""
    if not (isinstance(request.user, User) and request.user.may(role)):
        raise PermissionDenied(f"This takes the role {role}; ask an admin of this LMStrix for it.")


def needs(role: Role) -> Callable[[View], View]:
    """Lets only people through whose role covers `role`; others get a 403 that says which role it takes."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            demand(request, role)
            return view(request, *args, **kwargs)

        guarded.needed_role = role  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate
