"""Notes every request in a file before it is forwarded, so that none is lost with its process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from registry.gateway import journal
from registry.gateway.journal import BEGIN, CHECKPOINT, END, Entry, Journal

SEGMENT_BYTES = 4 * 2**20
SEGMENT_SECONDS = 60.0  # a segment that is in the database is not kept for longer
ENDING_BYTES = 1024  # kept free for the end of each request that has begun


class Spool:
    """The requests of this process, as lines in files of its own folder, under a lock that ends with the process.

    A line is handed to the operating system (write, no fsync) before the call returns: it survives a kill -9 of this
    process at any moment, not a power loss. Safe to use from several threads; no call raises for want of space, what
    could not be noted is counted in `lost`. `Writer` carries the lines into the database.
    """

    def __init__(self, folder: Path, *, max_bytes: int = 256 * 2**20) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._segment_bytes = min(SEGMENT_BYTES, max_bytes // 8)
        self.lost = 0  # requests that are not noted: no space
        self.pending = 0  # requests that have ended and are not in the database yet
        self._mutex = threading.Lock()
        self._open: dict[UUID, dict[str, Any]] = {}
        self._own, self._held, self._closed = folder / "none yet", -1, False
        self._journals: list[Journal] = [Journal(self._own, 1)]
        self._taken = 0
        self._gone: list[Journal] = []  # read to their ends: deleted when that is in the database
        self._total = self._number = self._size = 0
        self._fd, self._began = -1, 0.0
        self._start_segment()  # where the disk is full: with the next request

    # the gateway's side

    def begin(self, uuid: UUID, fields: Mapping[str, Any]) -> bool:
        """Notes that a request is about to be forwarded; False (and one more `lost`) when there is no space.

        `fields` are columns of InferenceRecord: ids as whole numbers, `started` as ISO text in UTC.
        """
        told = dict(fields)
        line = _line(BEGIN, uuid, told)
        with self._mutex:
            room = self.max_bytes - self._total - ENDING_BYTES * (len(self._open) + 1)
            if len(line) > room or not self._write(line):
                self.lost += 1
                return False
            self._open[uuid] = told
        return True

    def checkpoint(self, uuid: UUID, fields: Mapping[str, Any]) -> None:
        """Notes how far a stream has come; nothing when its begin was lost."""
        with self._mutex:
            if uuid in self._open:
                self._open[uuid] |= fields
                line = _line(CHECKPOINT, uuid, fields)
                if self._total + len(line) + ENDING_BYTES * len(self._open) <= self.max_bytes:
                    self._write(line)

    def end(self, uuid: UUID, fields: Mapping[str, Any]) -> None:
        """Notes how a request ended; call it before its last byte goes out. Nothing when its begin was lost."""
        with self._mutex:
            if uuid not in self._open:
                return
            line = _line(END, uuid, fields)
            if self._total + len(line) > self.max_bytes:  # space for the figures was kept free, not for a long answer
                line = _line(END, uuid, {name: value for name, value in fields.items() if name != "keep"})
            if self._write(line):
                self.pending += 1
            else:
                self.lost += 1
            del self._open[uuid]  # not before: a new file, which the line may have begun, carries its beginning

    def adopt(self) -> int:
        """Takes over what dead processes left; gives from how many. Of several that try, one gets each."""
        found = 0
        for folder in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if folder == self._own or not folder.is_dir():
                continue
            with contextlib.suppress(OSError):
                folder.rmdir()  # of a process that ended before it had a lock
                continue
            if any(each.folder == folder for each in (*self._journals, *self._gone)):
                continue
            if adopted := Journal.adopted(folder):
                found += 1
                with self._mutex:
                    self._journals.append(adopted)
                    self._total += adopted.size()
        return found

    def close(self) -> None:
        """Lets go of everything; what is not in the database yet is adopted by the next process."""
        with self._mutex:
            self._closed = True
            for each in (*self._journals, *self._gone):
                each.release()
            if self._held >= 0:
                os.close(self._fd)
                if not (self._open or self.pending or self._taken):
                    self._journals[0].remove()
                os.close(self._held)
            self._fd = self._held = -1

    # the writer's side

    def take(self, limit: int) -> list[Entry]:
        """The next requests that have ended, at most `limit`; after them call `settle`, or take no more."""
        if self._closed:
            return []
        found = self._journals[0].read(limit, self._number)
        own = len(found)
        for each in self._journals[1:]:
            if len(found) >= limit:
                break
            there = (journal.segments(each.folder) or [0])[-1]
            more = each.read(limit - len(found), there)
            found += more
            if not more:
                found += each.interrupted()
                self._gone.append(each)
        self._journals = [each for each in self._journals if each not in self._gone]
        with self._mutex:
            self._taken, self.pending = self._taken + own, self.pending - own
        return found

    def settle(self) -> None:
        """All that was taken is in the database: deletes what is not needed any more."""
        if self._closed:
            return
        freed = 0
        for each in self._gone:
            freed += each.size()
            each.remove()
        freed += self._journals[0].settle()
        with self._mutex:
            self._gone, self._taken = [], 0
            self._total -= freed
            if self._size and time.monotonic() - self._began > SEGMENT_SECONDS:
                self._start_segment()

    # files

    def _write(self, line: bytes) -> bool:
        """Appends a line as a whole, or not at all."""
        if self._size > self._segment_bytes or self._fd < 0:
            self._start_segment()
        try:
            written = os.write(self._fd, line)
        except OSError:
            written = 0
        if written != len(line):  # a full disk: the next line must not go on where this one broke
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            return False
        self._size += written
        self._total += written
        return True

    def _start_segment(self) -> None:
        """A new file, which begins with what is still open: the files before it can go once they are read."""
        if self._closed:
            return
        number = self._number + 1
        carried = b"".join(_line(BEGIN, uuid, fields) for uuid, fields in self._open.items())
        try:
            if self._held < 0:
                self._own, self._held = _make_home(self.folder)
                self._journals[0] = Journal(self._own, 1)
            fresh = _file_with(journal.segment(self._own, number), carried)
        except OSError:
            return  # goes on in the old one, where there is one
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._number, self._size, self._began = fresh, number, len(carried), time.monotonic()
        self._total += len(carried)


def _make_home(folder: Path) -> tuple[Path, int]:
    """A folder of this process's own, and its lock, held."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for _ in range(100):
        own = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        try:
            own.mkdir(mode=0o700)
            held = os.open(own / journal.LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:  # somebody took the empty folder for a dead process's
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(held), os.stat(own / journal.LOCK)):
                return own, held
        except OSError:
            pass
        os.close(held)
    raise OSError(f"{folder} is not left alone")


def _file_with(path: Path, data: bytes) -> int:
    """A new file that begins with `data`; OSError, and no file, when there is no space."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if data and os.write(file, data) != len(data):
            raise OSError("the disk is full")
    except OSError:
        os.close(file)
        path.unlink(missing_ok=True)
        raise
    return file


def _line(kind: str, uuid: UUID, fields: Mapping[str, Any]) -> bytes:
    told = (kind, uuid.hex, fields)
    try:
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate in a text from outside, say
        return json.dumps(told, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
