"""Lets people and programs in, changes what they may do, and shuts them out."""

from __future__ import annotations

from typing import TypedDict, Unpack

from django.db import transaction

from registry import auditing
from registry.models import ApiToken, Registry, Role, User


class Gateway(TypedDict, total=False):
    """What a token may use of the gateway; None is no limit, or the default registry."""

    registry: Registry | None
    requests_per_minute: int | None
    tokens_per_day: int | None
    keep_content: bool
    keep_days: int


@transaction.atomic
def add_person(name: str, role: Role | str) -> User:
    """A person without a password: they come in by a link and may set one themselves."""
    person = User.objects.create_user(name, role=role)
    auditing.note("add", person, summary=f"as {person.role}")
    return person


@transaction.atomic
def change_role(person: User, role: Role | str) -> None:
    before, person.role = person.role, role
    person.save(update_fields=["role"])
    auditing.note("edit", person, changes={"role": (before, str(role))})


@transaction.atomic
def let_in(person: User, allowed: bool) -> None:
    """Whether they may come in; who may not is signed out at once, and so are the tokens they made."""
    person.is_active = allowed
    person.save(update_fields=["is_active"])
    auditing.note("enable" if allowed else "disable", person)


@transaction.atomic
def issue_token(
    name: str, role: Role | str, made_by: User | None = None, **gateway: Unpack[Gateway]
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown once and cannot be read again; ValueError for a bad name."""
    if not name.strip() or not name.isprintable():
        raise ValueError("A token needs a name of printable characters, without line breaks or control characters.")
    token, secret = ApiToken.issue(name, role, created_by=made_by)
    for field, value in gateway.items():
        setattr(token, field, value)
    token.save(update_fields=list(gateway))
    auditing.note("add", token, summary=f"as {token.role}")
    return token, secret


@transaction.atomic
def change_token(token: ApiToken, **gateway: Unpack[Gateway]) -> None:
    """Changes what the token may use of the gateway, from the next second on."""
    before = {field: getattr(token, field) for field in gateway}
    for field, value in gateway.items():
        setattr(token, field, value)
    token.save(update_fields=list(gateway))
    changed = {field: (before[field], value) for field, value in gateway.items() if before[field] != value}
    if changed:
        auditing.note("edit", token, changes={field: (_told(a), _told(b)) for field, (a, b) in changed.items()})


def _told(value: object) -> object:
    return str(value) if isinstance(value, Registry) else value


@transaction.atomic
def revoke_token(token: ApiToken) -> None:
    """Shuts out what used it, at once and for good."""
    token.revoke()
    auditing.note("revoke", token)
