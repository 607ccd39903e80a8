"""Makes, renames and deletes registries, and opens one that is bound to a file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from django.db import transaction
from django.db.models import F, Q

from registry import applying, auditing, exchanging, snapshots, storing
from registry.documents import reading
from registry.holding import holding
from registry.models import Registry, SyncPoint
from registry.models.language_model import CheckStatus
from registry.models.registry import DEFAULT
from registry.models.snapshot import Origin
from registry.rendering import counted

LONGEST_NAME = 100


def create_registry(name: str) -> Registry:
    """An empty registry; ValueError when the name is taken or no name."""
    registry = Registry(name=_checked(name))
    registry.save()
    auditing.note("add", registry, registry=registry)
    return registry


def rename_registry(registry: Registry, name: str) -> None:
    """Gives it another name; the default registry and those bound to files keep theirs."""
    if registry.name == DEFAULT or registry.path:
        why = "other parts rely on its name" if registry.name == DEFAULT else "it is named by its file"
        raise ValueError(f"{registry} cannot be renamed: {why}.")
    new = _checked(name, registry)
    with transaction.atomic():
        _forget_syncs(registry)
        before, registry.name = registry.name, new
        registry.save(update_fields=["name"])
        auditing.note("rename", registry, registry=registry, changes={"name": (before, new)})


def delete_registry(registry: Registry) -> None:
    """Deletes it with its models, test results, groups, profiles and snapshots; a file it is bound to stays."""
    if registry.name == DEFAULT:
        raise ValueError("The default registry cannot be deleted; it can be emptied by restoring an empty file.")
    with holding(registry) as held:
        if busy := held.models.filter(test_status=CheckStatus.TESTING).first():
            raise ValueError(f"{busy} in {held} is being tested; nothing was deleted. Cancel the test first.")
        auditing.note("delete", held, summary=f"with {counted(held.models.count(), 'model')}")
        for snapshot in held.snapshots.all():
            snapshots.delete(snapshot)
        _forget_syncs(held)
        held.delete()


def _forget_syncs(registry: Registry) -> None:
    """Its next sync has no base: another registry of its name must not lose what this one had in common."""
    name = f"file:{registry.path}" if registry.path else f"registry:{registry.name}"
    SyncPoint.objects.filter(Q(first=name) | Q(second=name)).delete()


def _checked(name: str, own: Registry | None = None) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"A registry needs a name of 1 to {LONGEST_NAME} printable characters.")
    if "/" in name or "\\" in name:
        raise ValueError(f"{name}: a name with a slash means a file; leave it out.")
    if Registry.objects.filter(name__iexact=name).exclude(pk=own.pk if own else 0).exists():
        raise ValueError(f"There is a registry named {name} already.")
    return name


def is_path(text: str) -> bool:
    """Whether somebody means a file and not the name of a registry."""
    return "/" in text or os.sep in text or text.startswith("~") or text.endswith((".json", ".json.gz"))


def bound_to(path: str | Path) -> Registry:
    """The registry bound to this file: as the file says where it changed since, else as it was left.

    A file that is not there yet is written by the first save. Raises documents' Unreadable for a bad file, and
    ValueError for one that cannot be read.
    """
    file = _file_at(path)
    data = _bytes_of(file)
    known = opened(file)
    digest = hashlib.sha256(data).hexdigest() if data is not None else ""
    changed = data is not None and (known is None or digest != known.file_sha256)
    content = reading.read(data, name=file.name) if changed and data is not None else None
    registry = known or Registry.objects.get_or_create(name=str(file), defaults={"path": str(file)})[0]
    if content is not None:
        if registry.models.exists() or registry.groups.exists() or registry.profiles.exists():
            snapshots.create(registry, origin=Origin.SAFETY, note="before its file was read again")
        applying.apply(registry, content)
        _note_file(registry, digest)
    registry.refresh_from_db()
    return registry


def opened(path: str | Path) -> Registry | None:
    """The registry bound to this file, as it is in the database."""
    return Registry.objects.filter(name=str(_file_at(path))).exclude(path="").first()


def save_bound(registry: Registry) -> None:
    """Writes a registry that is bound to a file, in the format that the file had; the others are saved already.

    Where nothing changed nothing is written. ValueError when somebody else has changed the file since it was read.
    """
    registry.refresh_from_db()
    file = Path(registry.path)
    data = _bytes_of(file) if registry.path else None
    if not registry.path or (data is not None and registry.version == registry.file_version):
        return
    check_file(registry)
    fmt = reading.read_file(data, name=file.name).format if data is not None else "native"
    written = exchanging.export(registry, fmt=fmt, full=True)
    mode = file.stat().st_mode & 0o777 if data is not None else storing.PRIVATE
    storing.put(file, written, mode=mode)
    _note_file(registry, hashlib.sha256(written).hexdigest())


def check_file(registry: Registry) -> None:
    """Raises ValueError when a change of this registry could not be saved: its file is not as it was read."""
    data = _bytes_of(Path(registry.path)) if registry.path else None
    if data is not None and hashlib.sha256(data).hexdigest() != registry.file_sha256:
        raise ValueError(
            f"{registry.path} was changed by somebody else since it was read; open it again, nothing was written."
        )


def _note_file(registry: Registry, digest: str) -> None:
    Registry.objects.filter(pk=registry.pk).update(file_sha256=digest, file_version=F("version"))


def _file_at(path: str | Path) -> Path:
    try:
        file = Path(path).expanduser().resolve()
        str(file).encode()  # the database holds the name
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, nobody's home, a NUL
        raise ValueError(f"{str(path)!r} is not the path of a file ({error}).") from error
    return file


def _bytes_of(file: Path) -> bytes | None:
    """What is in the file; None when there is none. ValueError when it cannot be read."""
    try:
        if file.exists() and not file.is_file():  # a pipe or a device would never end
            raise ValueError(f"{file} is not a file; name a file, which need not be there yet.")
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{str(file)!r} cannot be read ({why}).") from error
