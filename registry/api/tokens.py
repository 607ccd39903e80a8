"""API tokens over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from registry import admitting
from registry.api.access import Request, operation
from registry.api.fields import Body, Id, PrintableName, RoleName, Text
from registry.api.lists import Items, Listing, found, listed
from registry.models import ApiToken, Registry, Role

router = Router(tags=["tokens"])


class TokenShape(BaseModel):
    """A program's key; the secret itself is not kept, `start` are its first characters."""

    id: int
    name: str
    role: RoleName
    start: str
    registry: str | None
    requests_per_minute: int | None
    tokens_per_day: int | None
    keep_content: bool
    keep_days: int
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
            registry=token.registry.name if token.registry else None,
            requests_per_minute=token.requests_per_minute,
            tokens_per_day=token.tokens_per_day,
            keep_content=token.keep_content,
            keep_days=token.keep_days,
            created=token.created,
            created_by=str(token.created_by) if token.created_by else None,
            last_used=token.last_used,
            revoked=token.revoked,
        )


class TokenLimits(Body):
    """What a token may use of the gateway: null is no limit, or the default registry."""

    registry: Text | None = None
    requests_per_minute: Annotated[int, Field(ge=1, le=10**6)] | None = None
    tokens_per_day: Annotated[int, Field(ge=1, le=10**15)] | None = None
    keep_content: bool = False
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 7

    def told(self) -> admitting.Gateway:
        """The fields that were sent, the registry looked up."""
        sent = self.model_dump(include=set(TokenLimits.model_fields), exclude_unset=True)
        if sent.get("registry") is not None:
            sent["registry"] = found(Registry.objects.all(), "registry", name=sent["registry"])
        return cast(admitting.Gateway, sent)


class NewToken(TokenLimits):
    """A token to make."""

    name: PrintableName
    role: RoleName = "viewer"


class IssuedToken(TokenShape):
    """A new token with its secret, which cannot be read again."""

    secret: str


@operation(router.get, "", role=Role.ADMIN, answers=Items[TokenShape])
def list_tokens(request: Request, wanted: Query[Listing]) -> Items[TokenShape]:
    """Tokens, newest first; revoked ones are kept."""
    return listed(TokenShape, ApiToken.objects.select_related("created_by", "registry"), wanted, reverse=True)


@operation(router.post, "", role=Role.ADMIN, answers=IssuedToken, status=201, also=(404,))
def issue_token(request: Request, token: NewToken) -> Status[IssuedToken]:
    """Makes a token; `secret` is shown this once."""
    made, secret = admitting.issue_token(token.name, token.role, request.auth.user, **token.told())
    return Status(201, IssuedToken(**TokenShape.of(made).model_dump(), secret=secret))


@operation(router.get, "/{int:id}", role=Role.ADMIN, answers=TokenShape)
def get_token(request: Request, id: Id) -> TokenShape:
    """One token."""
    return TokenShape.of(found(ApiToken.objects.select_related("created_by", "registry"), "token", pk=id))


@operation(router.patch, "/{int:id}", role=Role.ADMIN, answers=TokenShape)
def change_token(request: Request, id: Id, change: TokenLimits) -> TokenShape:
    """Changes what a token may use of the gateway; fields that are left out stay."""
    token = found(ApiToken.objects.select_related("created_by", "registry"), "token", pk=id)
    admitting.change_token(token, **change.told())
    return TokenShape.of(token)


@operation(router.delete, "/{int:id}", role=Role.ADMIN, answers=None, status=204)
def revoke_token(request: Request, id: Id) -> Status[None]:
    """Revokes a token at once and for good; revoking it again changes nothing."""
    token = found(ApiToken.objects.all(), "token", pk=id)
    if token.revoked is None:
        admitting.revoke_token(token)
    return Status(204, None)
