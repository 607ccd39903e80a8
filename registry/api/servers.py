"""Servers over REST."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from django.db.models import Q
from ninja import Query, Router, Status
from ninja.errors import HttpError
from pydantic import BaseModel, Field

from registry import connecting, scanning
from registry.api.access import Request, operation
from registry.api.fields import Body, Bytes, Id, Name, Secret, Text
from registry.api.jobs import Started, started
from registry.api.lists import Items, Listing, found, listed
from registry.api.problems import conflicts
from registry.api.registries import registry_named
from registry.lmstudio.address import normalize_base_url
from registry.models import Role, Server
from registry.models.registry import DEFAULT

router = Router(tags=["servers"])

LEAST, MOST = connecting.POLL_RANGE
Poll = Annotated[int, Field(ge=LEAST, le=MOST, description="seconds between looks at what is loaded there")]


class ServerShape(BaseModel):
    """A place where models run; null means unknown."""

    id: int
    name: str
    base_url: str
    enabled: bool
    reachable: bool | None
    version: str | None
    memory_limit_bytes: int | None
    poll_seconds: int
    has_token: bool
    last_scan: datetime | None
    last_seen: datetime | None
    error: str | None
    created: datetime

    @classmethod
    def of(cls, server: Server) -> ServerShape:
        return cls(
            id=server.pk,
            name=server.name,
            base_url=server.base_url,
            enabled=server.enabled,
            reachable=server.reachable,
            version=server.version or None,
            memory_limit_bytes=server.memory_limit_bytes,
            poll_seconds=server.poll_seconds,
            has_token=server.has_token,
            last_scan=server.last_scan,
            last_seen=server.last_seen,
            error=server.error or None,
            created=server.created,
        )


class NewServer(Body):
    """A server to add; `token` is LM Studio's API token and is never shown again."""

    name: Name
    base_url: Text
    token: Secret = ""
    memory_limit_bytes: Bytes | None = None
    poll_seconds: Poll = connecting.POLL_SECONDS


class ServerChange(Body):
    """What to change: a field left out (or null) stays; `memory_limit_bytes` null means unknown, `token` "" none."""

    name: Name | None = None
    base_url: Text | None = None
    token: Secret | None = None
    enabled: bool | None = None
    memory_limit_bytes: Bytes | None = None
    poll_seconds: Poll | None = None

    def fields(self) -> dict[str, Any]:
        given = self.model_dump(exclude_unset=True)
        return {name: value for name, value in given.items() if value is not None or name == "memory_limit_bytes"}


class Address(Body):
    """An address to try."""

    base_url: Text
    token: Secret = ""


class ScanWanted(BaseModel):
    """Where the models that a scan finds go."""

    registry: Text = DEFAULT


class ConnectionShape(BaseModel):
    """What a try found: `detail` says what happened, `remedy` what to do about it."""

    ok: bool
    detail: str
    remedy: str
    models: int | None
    ping_seconds: float | None
    api: str | None


@contextmanager
def _unless_taken(name: str | None, base_url: str | None, but: Server | None = None) -> Iterator[None]:
    """A refusal in here is a conflict where another server has the name or the address already."""
    try:
        yield
    except ValueError as error:
        taken = Q(name=(name or "").strip()) | Q(base_url=_normal(base_url or ""))
        if Server.objects.filter(taken).exclude(pk=but.pk if but else 0).exists():
            raise HttpError(409, str(error)) from error
        raise


def _normal(base_url: str) -> str:
    try:
        return normalize_base_url(base_url)
    except ValueError:
        return ""


@operation(router.get, "", role=Role.VIEWER, answers=Items[ServerShape])
def list_servers(request: Request, wanted: Query[Listing]) -> Items[ServerShape]:
    """Servers by name."""
    return listed(ServerShape, Server.objects.all(), wanted, sort="name", columns={"name": "name"})


@operation(router.post, "", role=Role.ADMIN, answers=ServerShape, status=201, also=(409,))
def add_server(request: Request, server: NewServer) -> Status[ServerShape]:
    """Adds a server; it is scanned with the next round, or at once by `/servers/{id}/scan`."""
    with _unless_taken(server.name, server.base_url):
        added = connecting.add_server(**server.model_dump())
    return Status(201, ServerShape.of(added))


@operation(router.post, "/test-connection", role=Role.ADMIN, answers=ConnectionShape)
def test_connection(request: Request, address: Address) -> ConnectionShape:
    """Tries an address without keeping anything; a server that does not answer is `ok: false`, not an error."""
    tried = connecting.try_connection(address.base_url, address.token)
    return ConnectionShape(
        ok=tried.ok,
        detail=tried.detail,
        remedy=tried.remedy,
        models=tried.models,
        ping_seconds=tried.ping_seconds,
        api=tried.api or None,
    )


@operation(router.get, "/{int:id}", role=Role.VIEWER, answers=ServerShape)
def get_server(request: Request, id: Id) -> ServerShape:
    """One server."""
    return ServerShape.of(found(Server.objects.all(), "server", pk=id))


@operation(router.patch, "/{int:id}", role=Role.ADMIN, answers=ServerShape, also=(409,))
def edit_server(request: Request, id: Id, change: ServerChange) -> ServerShape:
    """Changes a server; disabled servers are neither scanned nor used for tests."""
    server = found(Server.objects.all(), "server", pk=id)
    with _unless_taken(change.name, change.base_url, but=server):
        return ServerShape.of(connecting.edit_server(server, **change.fields()))


@operation(router.delete, "/{int:id}", role=Role.ADMIN, answers=None, status=204, also=(409,))
def delete_server(request: Request, id: Id) -> Status[None]:
    """Deletes a server with its models and their test results."""
    server = found(Server.objects.all(), "server", pk=id)
    with conflicts():
        connecting.delete_server(server)
    return Status(204, None)


@operation(router.post, "/{int:id}/scan", role=Role.OPERATOR, answers=Started, status=202, also=(409,))
def scan_server(request: Request, id: Id, wanted: Query[ScanWanted]) -> Status[Started]:
    """Looks what the server offers now, for one registry; what was found is under `/scans`."""
    server = found(Server.objects.all(), "server", pk=id)
    if not server.enabled:
        raise HttpError(409, f"Server {server.name} is disabled; enable it first.")
    registry = registry_named(wanted.registry)
    return started(scanning.enqueue(server, door="rest", asked_by=request.auth.user, registry=registry))
