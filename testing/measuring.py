"""The peak of a server's memory while it is tested, where the server is on this host."""

from registry.host_memory import resident_bytes, serving_process


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
