"""Mirrors the default registry as a native file, for programs that read files."""

from __future__ import annotations

import logging

from django.conf import settings

from registry import exchanging, storing
from registry.models import Registry

MODE = 0o644  # other people's programs may read it; it holds no secret
log = logging.getLogger(__name__)
_written: dict[str, tuple[int, int]] = {}  # file -> registry and the version of it that this process wrote last
_failing: set[str] = set()


def mirror() -> bool:
    """Writes the mirror when the default registry has changed or the file is gone; True when it was written.

    A file that cannot be written is a line in the log and a finding of `doctor`, never a failure.
    """
    file = settings.MIRROR_FILE
    if file is None:
        return False
    registry = Registry.objects.default()
    state = (registry.pk, registry.version)
    try:
        if _written.get(str(file)) == state and file.exists():
            return False
        storing.put(file, exchanging.export(registry, fmt="native"), mode=MODE)
    except OSError as error:
        level = logging.DEBUG if str(file) in _failing else logging.WARNING  # once, not every 30 seconds
        log.log(level, "the mirror %s cannot be written: %s", file, error.strerror)
        _failing.add(str(file))
        return False
    _failing.discard(str(file))
    _written[str(file)] = state
    return True


def fault() -> str:
    """Why the mirror cannot be written; empty when it can, or is off."""
    file = settings.MIRROR_FILE
    if file is None:
        return ""
    try:
        storing.try_folder(file.parent)
    except OSError as error:
        return f"{file} cannot be written ({error.strerror})"
    return f"{file} is a folder" if file.is_dir() else ""


def told() -> str:
    """Where the mirror is."""
    return f"{settings.MIRROR_FILE} follows the default registry" if settings.MIRROR_FILE else "off"


def remedy(fault: str) -> str:
    """What to do about a fault."""
    return "Make its folder writable, or set LMSTRIX_MIRROR_FILE to another file or to nothing." if fault else ""
