"""Reads the spool of one process, alive or dead: what was noted of its requests, each once it has ended."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

BEGIN, CHECKPOINT, END = "b", "c", "e"
ENDING = ".jsonl"
LOCK = "lock"
BATCH_BYTES = 8 * 2**20  # that are read at once: kept answers may be long

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A request that has ended: what its lines said, later ones over earlier ones."""

    uuid: UUID
    fields: dict[str, Any]


def lock(folder: Path) -> int | None:
    """Takes the lock of a process's folder; None while that process (or who adopted it) lives, or it is gone."""
    try:
        held = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held), os.stat(folder / LOCK)):  # not one that was removed meanwhile
            return held
    except OSError:
        pass
    os.close(held)
    return None


def segment(folder: Path, number: int) -> Path:
    return folder / f"{number:08}{ENDING}"


def segments(folder: Path) -> list[int]:
    return sorted(int(file.stem) for file in folder.glob(f"*{ENDING}"))


class Journal:
    """The lines of one folder in their order; a segment is deleted when all that it tells is in the database."""

    def __init__(self, folder: Path, number: int, *, held: int | None = None) -> None:
        """Reads on from segment `number`; `held` is the lock of a dead process's folder."""
        self.folder, self.held = folder, held
        self._kept = self._number = number
        self._offset = 0
        self._open: dict[UUID, dict[str, Any]] = {}

    @classmethod
    def adopted(cls, folder: Path) -> Journal | None:
        """The journal of a dead process; None when that lives, or another has adopted it."""
        held = lock(folder)
        return None if held is None else cls(folder, next(iter(segments(folder)), 1), held=held)

    def read(self, limit: int, last: int) -> list[Entry]:
        """Up to `limit` requests that have ended, from here to the end of segment `last` as it is now."""
        found: list[Entry] = []
        budget = BATCH_BYTES
        while True:
            before = self._offset
            if self._read_segment(found, limit, budget) or self._number >= last:
                return found
            budget -= self._offset - before
            self._number, self._offset = self._number + 1, 0

    def _read_segment(self, found: list[Entry], limit: int, budget: int) -> bool:
        """Reads on in one segment; whether that is enough for now."""
        try:
            file = segment(self.folder, self._number).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return False
        with file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # still being written, or torn by the end of its process
                    break
                self._offset += len(line)
                budget -= len(line)
                if entry := self._take(line):
                    found.append(entry)
                if len(found) == limit or (found and budget <= 0):
                    return True
        return False

    def _take(self, line: bytes) -> Entry | None:
        try:
            kind, name, fields = orjson.loads(line)
            uuid = UUID(name)
            fields = {**self._open.get(uuid, {}), **fields}
        except (ValueError, TypeError, AttributeError) as error:
            log.warning("A line of the spool in %s cannot be read and is left out: %s", self.folder, error)
            return None
        if kind != END:
            self._open[uuid] = fields
            return None
        return Entry(uuid, fields) if self._open.pop(uuid, None) is not None else None

    def interrupted(self) -> list[Entry]:
        """What a dead process had begun and not ended, with what its last checkpoints told."""
        found = [Entry(uuid, fields | {"outcome": "interrupted"}) for uuid, fields in self._open.items()]
        self._open.clear()
        return found

    def settle(self) -> int:
        """Deletes the segments that were read to their ends: all that they tell is in the database. Gives the bytes."""
        freed = 0
        for number in range(self._kept, self._number):
            file = segment(self.folder, number)
            try:
                freed += file.stat().st_size
                file.unlink()
            except FileNotFoundError:
                continue
        self._kept = self._number
        return freed

    def size(self) -> int:
        """Bytes of its segments."""
        return sum(segment(self.folder, number).stat().st_size for number in segments(self.folder))

    def remove(self) -> None:
        """Deletes all of it and lets go of the lock."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Lets go of the lock: the next process adopts what is still here."""
        if self.held is not None:
            os.close(self.held)
            self.held = None
