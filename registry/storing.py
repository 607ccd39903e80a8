"""Puts files in place at once: a reader sees the old one or the new one, never a half."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PRIVATE = 0o600


def put(file: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Writes `data` beside `file`, to the disk, and renames it; raises OSError and leaves what was there."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:100]}.")
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


def try_folder(folder: Path) -> None:
    """Raises OSError when no file can be made in `folder`, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=folder):
        pass
