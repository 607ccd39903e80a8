"""Memory of a server on this host: resident memory of the process that listens on its port and of its children."""

import os
from contextlib import suppress
from urllib.parse import urlsplit

import psutil

from registry.lmstudio.address import LOOPBACK


def serving_process(base_url: str) -> psutil.Process | None:
    """The process behind a loopback address; None where it cannot be known (another host, another user)."""
    parts = urlsplit(base_url)
    if parts.hostname not in LOOPBACK:
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return _foreign(connection.pid)
    return None


def _foreign(pid: int) -> psutil.Process | None:
    """The process, unless it is this one or one of its parents: then its memory is not the server's."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return None if pid in own else psutil.Process(pid)


def resident_bytes(process: psutil.Process | None) -> int | None:
    """Resident memory of the process and its descendants, in bytes; None when it is gone or unknown."""
    if process is None:
        return None
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for member in family:
        with suppress(psutil.Error):
            total += member.memory_info().rss
    return total or None


class MemoryWatch:
    """Keeps the peak of a server's memory above what it took when the watch began."""

    def __init__(self, base_url: str) -> None:
        self._process = serving_process(base_url)
        self._idle = resident_bytes(self._process)
        self._peak: int | None = None

    def look(self) -> int | None:
        """Bytes above idle now; remembered when it is the most so far."""
        now = resident_bytes(self._process)
        if now is None or self._idle is None:
            return None
        self._peak = max(self._peak or 0, now - self._idle)
        return now - self._idle if now > self._idle else None

    @property
    def peak_bytes(self) -> int | None:
        """Measured peak in bytes; None = not measurable here."""
        return self._peak if self._peak and self._peak > 0 else None
