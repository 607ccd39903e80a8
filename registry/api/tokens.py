"""API tokens over REST."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from ninja import Query, Router, Status
from pydantic import BaseModel

from registry import admitting
from registry.api.access import Request, operation
from registry.api.fields import Body, Id, Name, RoleName
from registry.api.lists import Items, Listing, found, listed
from registry.models import ApiToken, Role

router = Router(tags=["tokens"])


class TokenShape(BaseModel):
    """A program's key; the secret itself is not kept, `start` are its first characters."""

    id: int
    name: str
    role: RoleName
    start: str
    created: datetime
    created_by: str | None
    last_used: datetime | None
    revoked: datetime | None

    @classmethod
    def of(cls, token: ApiToken) -> TokenShape:
        return cls(
            id=token.pk,
            name=token.name,
            role=cast(RoleName, token.role),
            start=token.start,
            created=token.created,
            created_by=str(token.created_by) if token.created_by else None,
            last_used=token.last_used,
            revoked=token.revoked,
        )


class NewToken(Body):
    """A token to make."""

    name: Name
    role: RoleName = "viewer"


class IssuedToken(TokenShape):
    """A new token with its secret, which cannot be read again."""

    secret: str


@operation(router.get, "", role=Role.ADMIN, answers=Items[TokenShape])
def list_tokens(request: Request, wanted: Query[Listing]) -> Items[TokenShape]:
    """Tokens, newest first; revoked ones are kept."""
    return listed(TokenShape, ApiToken.objects.select_related("created_by"), wanted, reverse=True)


@operation(router.post, "", role=Role.ADMIN, answers=IssuedToken, status=201)
def issue_token(request: Request, token: NewToken) -> Status[IssuedToken]:
    """Makes a token; `secret` is shown this once."""
    made, secret = admitting.issue_token(token.name, token.role, request.auth.user)
    return Status(201, IssuedToken(**TokenShape.of(made).model_dump(), secret=secret))


@operation(router.get, "/{int:id}", role=Role.ADMIN, answers=TokenShape)
def get_token(request: Request, id: Id) -> TokenShape:
    """One token."""
    return TokenShape.of(found(ApiToken.objects.select_related("created_by"), "token", pk=id))


@operation(router.delete, "/{int:id}", role=Role.ADMIN, answers=None, status=204)
def revoke_token(request: Request, id: Id) -> Status[None]:
    """Revokes a token at once and for good; revoking it again changes nothing."""
    token = found(ApiToken.objects.all(), "token", pk=id)
    if token.revoked is None:
        admitting.revoke_token(token)
    return Status(204, None)
