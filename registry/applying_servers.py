"""Writes the servers of a Content: those it names are made or changed, and none is ever deleted."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from registry import auditing
from registry.contents import SERVER
from registry.documents.content import Content, Fields
from registry.models import Server

LONGEST = 100
Note = Callable[..., None]


def write(target: Content, note: Note) -> dict[str, int]:
    """Primary keys by base URL of all servers, those of `target` being as it tells; a new one has no token.

    One that is here stays enabled or disabled as it is. A name that another server has gets a number behind it.
    """
    known = {server.base_url: server for server in Server.objects.all()}
    wanted = {base_url: dict(fields) for base_url, fields in target.servers.items()}
    for model in target.models:
        if model.server and model.server not in wanted and model.server not in known:
            wanted[model.server] = {}
    _name_apart(wanted, known)
    had = {base_url: {name: getattr(server, name) for name in SERVER.names} for base_url, server in known.items()}
    added = changed = 0
    for base_url, fields in wanted.items():
        if base_url not in known:
            known[base_url] = Server.objects.create(base_url=base_url, **SERVER.values(fields))
            auditing.note("add", known[base_url])
            added += 1
        elif changes := SERVER.changes(had[base_url], fields | {"enabled": had[base_url]["enabled"]}):
            _change(known[base_url], had[base_url], changes, known)
            changed += 1
    note("server", added, changed, 0)
    return {base_url: server.pk for base_url, server in known.items()}


def _name_apart(wanted: dict[str, Fields], known: dict[str, Server]) -> None:
    """Gives each of the wanted servers a name that no other one has; one that keeps its name keeps it."""
    taken = {server.name for base_url, server in known.items() if not wanted.get(base_url, {}).get("name")}
    kept = {url for url, told in wanted.items() if url in known and known[url].name == told.get("name")}
    for base_url, fields in sorted(wanted.items(), key=lambda each: each[0] not in kept):
        if base_url in known and not fields.get("name"):
            continue
        name = _clean(str(fields.get("name") or urlsplit(base_url).netloc or base_url))
        number, fields["name"] = 1, name
        while fields["name"] in taken:
            number += 1
            tail = f" ({number})"
            fields["name"] = name[: LONGEST - len(tail)] + tail
        taken.add(fields["name"])


def _clean(name: str) -> str:
    return name.replace("/", "-").replace("@", "-").strip()[:LONGEST] or "server"


def _change(server: Server, had: Fields, changes: Fields, known: dict[str, Server]) -> None:
    """Writes and notes the changes; a server that has the new name now, and will get another, steps aside."""
    for other in known.values():
        if other.pk != server.pk and other.name == changes.get("name"):
            other.name = f"@{other.pk}"  # no name has an @
            other.save(update_fields=["name"])
    for name, value in changes.items():
        setattr(server, name, value)
    server.save(update_fields=list(changes))
    auditing.note("edit", server, changes={name: (had[name], value) for name, value in changes.items()})
