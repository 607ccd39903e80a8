"""Keeps registries as files: one gzipped document in the data directory for each snapshot, checked when it is read."""

from __future__ import annotations

import gzip
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction

from registry import acting, announcing, auditing, contents, storing
from registry.documents import native, reading
from registry.documents.content import Content
from registry.documents.reading import Read
from registry.holding import holding
from registry.models import Registry, Server, Snapshot
from registry.rendering import counted

LARGEST_DOCUMENT = 2**30  # bytes, unpacked; 100,000 models with all their tests have about 300 MB
TRIES = 3
PACKING = 3  # of 9: JSON shrinks well already, and who waits for the snapshot waits for this
NAME_TRIES = 50  # as many may take a dated name in the same moment


def folder() -> Path:
    return Path(settings.DATA_DIR) / "snapshots"


def path(snapshot: Snapshot) -> Path:
    """Its file; the name in the row is one of ours, and anything else is not followed."""
    return folder() / Path(snapshot.file).name


def contents_now(registry: Registry) -> tuple[Content, int]:
    """Everything in the registry at one moment, and the version it was; nobody is kept from writing meanwhile."""
    for _ in range(TRIES):
        version = _version(registry)
        content = contents.content_of(registry, tests=True)
        if _version(registry) == version:
            return content, version
    with holding(registry) as held:  # somebody writes all the time: now they wait
        return contents.content_of(held, tests=True), held.version


def _version(registry: Registry) -> int:
    return Registry.objects.values_list("version", flat=True).get(pk=registry.pk)


@contextmanager
def drafted(registry: Registry, content: Content, name: str = "", *, origin: str, note: str = "") -> Iterator[Snapshot]:
    """A snapshot of `content` with its file on the disk; what is not saved in here leaves no file behind."""
    document = native.canonical(native.as_native(content, full=True))
    row = Snapshot(
        registry=registry, name=name, origin=origin, note=note[:300], model_count=len(content.models)
    )  # fmt: skip
    with filed(row, document) as draft:
        yield draft


@contextmanager
def filed(row: Snapshot, document: bytes) -> Iterator[Snapshot]:
    """File first, then row: a row without a file cannot come about."""
    packed = gzip.compress(document, PACKING, mtime=0)
    row.file, row.sha256, row.size_bytes = f"{uuid.uuid4()}.json.gz", native.digest(document), len(packed)
    try:
        storing.put(path(row), packed)
    except OSError as error:
        raise ValueError(
            f"The snapshot cannot be written to {folder()} ({error.strerror}); nothing was changed. "
            "Free some space or make the folder writable, then try again."
        ) from error
    try:
        yield row
    except BaseException:
        path(row).unlink(missing_ok=True)
        raise


def save(draft: Snapshot) -> Snapshot:
    """Writes the row of a draft; one without a name is named by its date."""
    given, draft.made_by = draft.name, acting.current().user
    for attempt in range(1, NAME_TRIES + 1):
        draft.name = given or free_name(draft.registry, dated(draft.created))
        try:
            with transaction.atomic():
                draft.save(force_insert=True)
            break
        except IntegrityError as error:
            if given or attempt == NAME_TRIES:
                raise ValueError(f"Somebody else took the name {draft.name} just now; choose another.") from error
    auditing.note("snapshot", draft, summary=f"{counted(draft.model_count, 'model')}, {draft.get_origin_display()}")
    announcing.announce("snapshot", draft.pk)
    return draft


def dated(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def free_name(registry: Registry, wanted: str) -> str:
    """`wanted`, or with a number behind it where that is taken."""
    taken = set(Snapshot.objects.filter(registry=registry, name__startswith=wanted).values_list("name", flat=True))
    number = 1
    name = wanted
    while name in taken:
        number += 1
        name = f"{wanted} ({number})"
    return name


def document(snapshot: Snapshot) -> bytes:
    """The document as it was taken; ValueError when its file is gone or damaged."""
    try:
        packed = path(snapshot).read_bytes()
    except OSError as error:
        why = "its file is gone" if isinstance(error, FileNotFoundError) else f"its file: {error.strerror}"
        raise ValueError(f"Snapshot {snapshot} cannot be used, {why}; nothing was changed.") from error
    unpacked = _unpacked(packed) if len(packed) == snapshot.size_bytes else None
    if unpacked is None or native.digest(unpacked) != snapshot.sha256:
        raise ValueError(f"Snapshot {snapshot} cannot be used, its file is damaged; nothing was changed.")
    return unpacked


def _unpacked(packed: bytes) -> bytes | None:
    machine = zlib.decompressobj(wbits=31)
    try:
        data = machine.decompress(packed, LARGEST_DOCUMENT)
    except zlib.error:
        return None
    return data if machine.eof else None


def content(snapshot: Snapshot) -> Content:
    """What it holds; ValueError (also Unreadable) when it cannot be used."""
    return read_file(document(snapshot), name=snapshot.name).content


def read_file(data: bytes, *, name: str = "") -> Read:
    """A file of any format; a server that it only names is the one of that name here. Raises Unreadable."""
    return reading.read_file(data, name=name, servers=dict(Server.objects.values_list("name", "base_url")))


def unused_files() -> list[Path]:
    """Files among the snapshots that belong to no row: left behind by a crash."""
    known = set(Snapshot.objects.values_list("file", flat=True))
    files = folder().iterdir() if folder().is_dir() else ()
    return [file for file in files if file.name not in known and _settled(file)]


def _settled(file: Path) -> bool:
    """Not just being written: a row follows its file within moments."""
    return datetime.now().timestamp() - file.stat().st_mtime > 3600


def lost_file(snapshot: Snapshot) -> bool:
    """Whether its file is gone."""
    return not path(snapshot).is_file()


def damaged(snapshot: Snapshot) -> bool:
    """Whether its document is not what was written."""
    try:
        document(snapshot)
    except ValueError:
        return True
    return False
