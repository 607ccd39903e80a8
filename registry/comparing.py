"""Two sides to compare: each a registry, a snapshot, a file, or a registry of another LMStrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from django.conf import settings

from registry import diffing, keeping, registries
from registry.diffing import Diff
from registry.documents import reading, two_documents
from registry.documents.collecting import uncollected
from registry.documents.content import Content
from registry.models import Registry, Snapshot
from registry.models.snapshot import Origin
from registry.remote import Remote

LARGEST_FILE = 2**30  # bytes
SHOWN = 5  # names that a message lists


@dataclass(frozen=True)
class Side:
    """What one side holds, and how to reach it again; at most one of registry, snapshot, file, remote is there."""

    label: str  # for people
    spec: str  # `registry:NAME`, `snapshot:NAME`, `file:PATH` or an address: the same words find it again
    load: Callable[[], Content] = field(repr=False)
    version: int | None = None  # what can be changed is changed only if this is still its version
    registry: Registry | None = None
    snapshot: Snapshot | None = None
    file: Path | None = None
    remote: Remote | None = None

    @cached_property
    def content(self) -> Content:
        """What it holds; of a snapshot read when it is asked for: ValueError when its file is damaged."""
        return self.load()

    @property
    def models(self) -> int:
        """How many models it holds."""
        return self.snapshot.model_count if self.snapshot is not None else len(self.content.models)


def side(text: str, *, registry: Registry, files: bool = False, remote_token: str = "") -> Side:
    """The side that somebody means: the name of a registry, of a snapshot of `registry`, an address, or a file.

    A prefix `registry:`, `snapshot:` or `file:` says which. Files only where `files` lets them: a person at a page must
    not read what the server can. Raises ValueError in one sentence, Unreadable for a bad file.
    """
    text = text.strip()
    kind, separator, name = text.partition(":")
    if text.startswith(("http://", "https://")):
        return side_at(Remote.at(text, remote_token or settings.REMOTE_TOKEN))
    if not separator or kind not in ("registry", "snapshot", "file"):
        kind, name = "", text
    found: list[Registry | Snapshot | Path] = []
    if kind in ("", "registry"):
        found += Registry.objects.filter(name=name)
    if kind in ("", "snapshot"):
        found += Snapshot.objects.filter(registry=registry, name=name)
    if kind == "file" or (not kind and not found and registries.is_path(name)):
        found.append(_file(name, files))
    if len(found) > 1:
        raise ValueError(f"{name} is a registry and a snapshot; write registry:{name} or snapshot:{name}.")
    if not found:
        raise ValueError(_not_found(kind, name, registry))
    [one] = found
    return side_in(one) if isinstance(one, Path) else side_kept(one) if isinstance(one, Snapshot) else side_of(one)


def side_of(registry: Registry) -> Side:
    """A registry of this LMStrix, as it is now."""
    content, version = keeping.contents_now(registry)
    label = Path(registry.path).name if registry.path else registry.name
    return Side(label, f"registry:{registry.name}", lambda: content, version, registry=registry)


def side_kept(snapshot: Snapshot) -> Side:
    """A snapshot."""
    return Side(snapshot.name, f"snapshot:{snapshot.name}", lambda: keeping.content(snapshot), snapshot=snapshot)


def side_in(file: Path) -> Side:
    """A file of any format; Unreadable, or ValueError when it cannot be read at all."""
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST_FILE:
        raise ValueError(f"{file} is larger than {LARGEST_FILE // 2**20:,} MiB.")
    content = reading.read(data, name=file.name)
    return Side(file.name, f"file:{file}", lambda: content, file=file)


def side_at(remote: Remote) -> Side:
    """A registry of another LMStrix; RemoteTrouble (a ValueError) when it cannot be had."""
    content, version = remote.read()
    return Side(f"{remote.registry} of {remote.site}", remote.spec, lambda: content, version, remote=remote)


def again(one: Side) -> Side:
    """The same side as it is now."""
    if one.registry is not None:
        return side_of(one.registry)
    return side_at(one.remote) if one.remote is not None else one


@uncollected()
def compare(before: Side, after: Side, *, sparse: bool = False) -> Diff:
    """How `after` differs from `before`; two snapshots that nobody has read yet are read no further than needed."""
    if _unread(before) and _unread(after):
        with ThreadPoolExecutor(2) as both:  # what unpacks and checks files leaves Python's lock to the other
            documents = both.map(_document, (before, after))
            return diffing.diff(*two_documents.read_two(*documents), sparse=sparse)
    return diffing.diff(before.content, after.content, sparse=sparse)


def _unread(one: Side) -> bool:
    return one.snapshot is not None and one.snapshot.origin != Origin.UPLOAD and "content" not in vars(one)


def _document(one: Side) -> bytes:
    assert one.snapshot is not None  # noqa: S101  (`_unread`)
    return keeping.document(one.snapshot)


def _file(name: str, allowed: bool) -> Path:
    if not allowed:
        raise ValueError(f"{name} is a file; upload it as a snapshot and compare that, or use the command.")
    return Path(name).expanduser().resolve()


def _not_found(kind: str, name: str, registry: Registry) -> str:
    told = []
    if kind in ("", "registry"):
        told.append(f"registries are {_some(Registry.objects.values_list('name', flat=True))}")
    if kind in ("", "snapshot"):
        told.append(f"snapshots of {registry} are {_some(registry.snapshots.values_list('name', flat=True))}")
    return f"There is no {kind or 'registry or snapshot'} named {name}; {', '.join(told)}."


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN:,} more" if len(listed) > SHOWN else ""
    return (", ".join(listed[:SHOWN]) or "none") + more
