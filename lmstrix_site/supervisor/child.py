"""One process that is kept running."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)  # seconds before the 1st, 2nd, ... restart in a row
STEADY_SECONDS = 5.0  # who ran this long starts again at the shortest pause
LARGEST_LOG = 5 * 2**20  # bytes; a larger one is set aside at the start

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass
class Child:
    """A process with its own process group and log file, started again when it ends.

    Start it from the main thread only: on Linux it is killed when the thread that started it ends.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: dict[str, str]
    folder: Path
    inherited: tuple[int, ...] = ()  # file descriptors it gets
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0  # time.monotonic()
    due_at: float = 0.0  # when to start again, while it is not running
    failures: int = 0  # ends in a row
    _restarting: bool = field(default=False, repr=False)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def seconds_up(self) -> float:
        return time.monotonic() - self.started_at if self.process else 0.0

    def start(self) -> None:
        """Starts the process; its output goes to the end of the log."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.folder,
                pass_fds=self.inherited,
                start_new_session=True,  # Ctrl-C in the terminal reaches the supervisor only, which ends all in order
                preexec_fn=_end_with(os.getpid()),
            )
        self.started_at = time.monotonic()

    def look_after(self, say: Callable[[str], None]) -> bool:
        """Notices an end, starts again when it is time; True when it was started."""
        if self.process is not None and self.process.poll() is not None:
            self._note_end(self.process.returncode, say)
        if self.process is None and time.monotonic() >= self.due_at:
            self.start()
            return True
        return False

    def _note_end(self, code: int, say: Callable[[str], None]) -> None:
        self.failures = 1 if self.seconds_up >= STEADY_SECONDS else self.failures + 1
        pause = PAUSES[min(self.failures, len(PAUSES)) - 1]
        self.signal_group(signal.SIGKILL)  # what it had started goes too
        self.process = None
        self.due_at = time.monotonic() + pause
        if not self._restarting:
            say(f"{self.name} {_how_it_ended(code)} (see {self.log}); starting again in {pause:g} s")
        self._restarting = False

    def restart(self, reason: str, say: Callable[[str], None]) -> None:
        """Kills a process that no longer does its work; `look_after` starts it again."""
        if self.process is not None:
            say(f"{self.name} {reason} (see {self.log}); starting it again")
            self._restarting = True
            self.signal_group(signal.SIGKILL)

    def signal_group(self, number: signal.Signals) -> None:
        """Sends a signal to the process and everything in its group."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def wait(self, deadline: float) -> bool:
        """Waits until `deadline` (time.monotonic) for the end; False when it still runs."""
        if self.process is None:
            return True
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True


def _end_with(parent: int) -> Callable[[], None] | None:
    """What the new process does before its program: ask the kernel to be killed when the supervisor dies."""
    if _libc is None:
        return None

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the request was made
            os._exit(1)

    return prepare


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
