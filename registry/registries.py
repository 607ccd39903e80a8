"""Makes, renames and deletes registries, and opens one that is bound to a file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from django.db import transaction
from django.db.models import F

from registry import applying, auditing, exchanging, snapshots
from registry.documents import reading
from registry.models import Registry
from registry.models.registry import DEFAULT
from registry.models.snapshot import Origin

LONGEST_NAME = 100
FILE_MODE = 0o600


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
    before, registry.name = registry.name, _checked(name)
    registry.save(update_fields=["name"])
    auditing.note("rename", registry, registry=registry, changes={"name": (before, registry.name)})


def delete_registry(registry: Registry) -> None:
    """Deletes it with its models, test results, groups, profiles and snapshots; a file it is bound to stays."""
    if registry.name == DEFAULT:
        raise ValueError("The default registry cannot be deleted; it can be emptied by restoring an empty file.")
    with transaction.atomic():
        auditing.note("delete", registry, summary=f"with {registry.models.count():,} models")
        for snapshot in registry.snapshots.all():
            snapshots.delete(snapshot)
        registry.delete()


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"A registry needs a name of 1 to {LONGEST_NAME} printable characters.")
    if "/" in name or "\\" in name:
        raise ValueError(f"{name}: a name with a slash means a file; leave it out.")
    if Registry.objects.filter(name__iexact=name).exists():
        raise ValueError(f"There is a registry named {name} already.")
    return name


def is_path(text: str) -> bool:
    """Whether somebody means a file and not the name of a registry."""
    return "/" in text or os.sep in text or text.startswith("~") or text.endswith((".json", ".json.gz"))


def bound_to(path: str | Path) -> Registry:
    """The registry bound to this file: as the file says where it changed since, else as it was left.

    A file that is not there yet is written by the first save. Raises documents' Unreadable for a bad file, and
    OSError for one that may not be read.
    """
    file = Path(path).expanduser().resolve()
    registry, _ = Registry.objects.get_or_create(name=str(file), defaults={"path": str(file)})
    data = _bytes_of(file)
    if data is not None and (digest := hashlib.sha256(data).hexdigest()) != registry.file_sha256:
        content = reading.read(data, name=file.name)
        if registry.models.exists():
            snapshots.create(registry, origin=Origin.SAFETY, note="before its file was read again")
        applying.apply(registry, content)
        _note_file(registry, digest)
    registry.refresh_from_db()
    return registry


def opened(path: str | Path) -> Registry | None:
    """The registry bound to this file, as it is in the database."""
    return Registry.objects.filter(name=str(Path(path).expanduser().resolve())).exclude(path="").first()


def save_bound(registry: Registry) -> None:
    """Writes a registry that is bound to a file, in the format that the file had; the others are saved already.

    Where nothing changed nothing is written. ValueError when somebody else has changed the file since it was read.
    """
    registry.refresh_from_db()
    file = Path(registry.path)
    data = _bytes_of(file) if registry.path else None
    if not registry.path or (data is not None and registry.version == registry.file_version):
        return
    if data is not None and hashlib.sha256(data).hexdigest() != registry.file_sha256:
        raise ValueError(f"{file} was changed by somebody else since it was read; open it again, nothing was written.")
    fmt = reading.read_file(data, name=file.name).format if data is not None else "native"
    written = exchanging.export(registry, fmt=fmt, full=True)
    _replace(file, written)
    _note_file(registry, hashlib.sha256(written).hexdigest())


def _note_file(registry: Registry, digest: str) -> None:
    Registry.objects.filter(pk=registry.pk).update(file_sha256=digest, file_version=F("version"))


def _bytes_of(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _replace(file: Path, data: bytes) -> None:
    """Puts the new content in place at once: a reader sees the old file or the new one, never a half."""
    file.parent.mkdir(parents=True, exist_ok=True)
    mode = file.stat().st_mode & 0o777 if file.exists() else FILE_MODE
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise
