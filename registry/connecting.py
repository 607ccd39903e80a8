"""Adds, edits and removes servers, and tries whether one answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil
from django.db import IntegrityError, transaction

from registry import auditing, sealing, snapshots
from registry.lmstudio import LMStudio, normalize_base_url
from registry.lmstudio.address import LOOPBACK
from registry.lmstudio.errors import LMStudioError
from registry.lmstudio.wire import Listing
from registry.models import LanguageModel, Registry, Server
from registry.models.snapshot import Origin
from registry.waiting import wait_for

TRY_SECONDS = 6.0
POLL_SECONDS, POLL_RANGE = 10, (2, 3600)  # seconds between looks at a server
NOTED = ("name", "base_url", "enabled", "memory_limit_bytes", "poll_seconds", "token_sealed")
EDITABLE = ("name", "base_url", "enabled", "memory_limit_bytes", "poll_seconds", "token")


@dataclass(frozen=True)
class Connection:
    """What trying an address showed."""

    ok: bool
    detail: str
    remedy: str = ""
    models: int | None = None
    ping_seconds: float | None = None
    api: str = ""


@dataclass(frozen=True)
class Losses:
    """What deleting a server would take along."""

    models: int
    tested: int
    tests: int


def add_server(
    *,
    name: str,
    base_url: str,
    token: str = "",
    memory_limit_bytes: int | None = None,
    poll_seconds: int = POLL_SECONDS,
) -> Server:
    """A new server; ValueError with a text for people when the name or the address cannot be used.

    Without a memory limit (bytes) a server on this host gets the host's memory; elsewhere it stays unknown.
    """
    server = Server(memory_limit_bytes=host_memory(base_url) if memory_limit_bytes is None else memory_limit_bytes)
    return edit_server(server, name=name, base_url=base_url, token=token, poll_seconds=poll_seconds)


def host_memory(base_url: str) -> int | None:
    """Memory of this host in bytes when the address is on it; None elsewhere."""
    try:
        local = urlsplit(normalize_base_url(base_url)).hostname in LOOPBACK
    except ValueError:
        return None
    return psutil.virtual_memory().total if local else None


def edit_server(server: Server, **fields: Any) -> Server:
    """Changes what is EDITABLE (the token "" forgets it); ValueError on a bad value.

    A stored token belongs to its address: with another address it is forgotten, unless a new one comes along.
    """
    before, old = server.base_url, {name: getattr(server, name) for name in NOTED}
    for name, value in fields.items():
        if name not in EDITABLE:
            raise ValueError(f"{name} is not a field of a server; use one of {', '.join(EDITABLE)}.")
        setattr(server, name, value)
    server.name = server.name.strip()
    server.base_url = normalize_base_url(server.base_url)
    if before not in ("", server.base_url) and "token" not in fields:
        server.token = ""
    _check(server)
    try:
        with transaction.atomic():
            # only what was edited: a job may hold the server's lease meanwhile
            known = server.pk is not None
            server.save(update_fields=[*({*fields} - {"token"}), "base_url", "token_sealed"] if known else None)
            auditing.note("edit" if known else "add", server, changes=_changes(old, server) if known else None)
            _touch_registries(server)
    except IntegrityError as error:
        raise ValueError("Another server took this name or address a moment ago.") from error
    return server


def _touch_registries(server: Server) -> None:
    """Its name and its models are part of what these registries hold."""
    for registry in Registry.objects.filter(models__server=server).distinct():
        registry.touch()


def _changes(old: dict[str, Any], server: Server) -> dict[str, tuple[Any, Any]]:
    """What differs; of a token only that it changed."""
    told = {name: (old[name], getattr(server, name)) for name in NOTED if old[name] != getattr(server, name)}
    if "token_sealed" in told:
        told["token"] = tuple("stored" if sealed else "none" for sealed in told.pop("token_sealed"))  # type: ignore[assignment]
    return told


def _check(server: Server) -> None:
    others = Server.objects.exclude(pk=server.pk)
    if not server.name or len(server.name) > 100 or "/" in server.name or "@" in server.name:
        raise ValueError("The name needs 1 to 100 characters, without / and @ (they part a server from a model).")
    if not server.name.isprintable():
        raise ValueError("The name of a server has only printable characters: no line breaks or control characters.")
    if len(server.base_url) > 300:
        raise ValueError("The address is longer than 300 characters.")
    if others.filter(name=server.name).exists():
        raise ValueError(f"There is already a server named {server.name}.")
    if other := others.filter(base_url=server.base_url).first():
        raise ValueError(f"{server.base_url} is already the server {other.name}.")
    if server.memory_limit_bytes is not None and not 0 < server.memory_limit_bytes < 2**60:
        raise ValueError("The memory limit must be above 0; leave it empty when it is unknown.")
    if not POLL_RANGE[0] <= server.poll_seconds <= POLL_RANGE[1]:
        raise ValueError(f"A server is looked at every {POLL_RANGE[0]} to {POLL_RANGE[1]:,} seconds.")


def try_connection(base_url: str, token: str = "") -> Connection:
    """Asks the address for its models and says what came back; nothing is stored."""
    try:
        address = normalize_base_url(base_url)
    except ValueError as error:
        return Connection(False, str(error), "Give an address such as http://localhost:1234.")

    async def ask() -> Listing:
        async with LMStudio(address, token or None, listing_timeout=TRY_SECONDS) as studio:
            return await studio.list_models()

    try:
        listing = wait_for(ask)
    except LMStudioError as error:
        return Connection(False, str(error), error.remedy)
    found = len(listing.models)
    detail = (
        f"{address} answers in {listing.ping_seconds * 1000:.0f} ms with {found:,} model{'s' if found != 1 else ''}."
    )
    return Connection(True, detail, "", found, listing.ping_seconds, listing.api)


def try_server(server: Server) -> Connection:
    """The same with the stored token."""
    try:
        return try_connection(server.base_url, server.token)
    except sealing.Unreadable as error:
        return Connection(False, f"{server.name}: {error}.", "Enter the token again.")


def losses(server: Server) -> Losses:
    """What deleting `server` would take along: its models in every registry, with their tests."""
    models = LanguageModel.objects.filter(server=server)
    tests = models.exclude(context_tests=None).values("context_tests").distinct().count()
    return Losses(models.count(), models.exclude(last_tested=None).count(), tests)


def delete_server(server: Server) -> None:
    """Deletes the server with its models, of which snapshots are taken first; ValueError while an experiment runs."""
    if server.experiment is not None and server.experiment.is_open:
        raise ValueError(f"{server.name} is busy with {server.experiment}; cancel it first.")
    for registry in Registry.objects.filter(models__server=server).distinct():
        snapshots.create(registry, origin=Origin.SAFETY, note=f"before: delete server {server}")
    with transaction.atomic():
        lost = losses(server)
        auditing.note("delete", server, summary=f"with {lost.models:,} models and {lost.tests:,} tests")
        _touch_registries(server)
        server.delete()
