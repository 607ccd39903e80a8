"""Keeps processes running until it is told to end, then ends them in order."""

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lmstrix_site.supervisor import leftovers
from lmstrix_site.supervisor.child import Child

TICK_SECONDS = 0.1
BEGIN_SECONDS = 30.0
# What ends one after the other, and how long each step may take before SIGKILL (9 s in all): a worker that saw the
# engine go first would note a failed load, and all of them talk to the broker while they end.
STEPS = ((("web", "beat", "worker"), 4.0), (("engine",), 2.5), (("valkey",), 2.5))


class Supervisor:
    """The processes of one `up`; everything but `ask_restart` belongs to the main thread."""

    def __init__(self, data_dir: Path, mark: str, say: Callable[[str], None]) -> None:
        self.data_dir, self.mark, self.say = data_dir, mark, say
        self.children: dict[str, Child] = {}
        self.stopping = threading.Event()
        self._asked: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def add(self, child: Child) -> None:
        """Starts a process and keeps it running from now on."""
        child.start()
        self.children[child.name] = child
        self._record()

    def ask_restart(self, name: str, reason: str) -> None:
        """Has a process that no longer does its work started again; from any thread."""
        self._asked.put((name, reason))

    def watch(self) -> None:
        """Looks after the processes until `stopping` is set."""
        while not self.stopping.wait(TICK_SECONDS):
            started = [child.look_after(self.say) for child in self.children.values()]
            if any(started):
                self._record()
            while not self._asked.empty():
                name, reason = self._asked.get()
                # one that was started a moment ago gets the time to begin
                if name in self.children and self.children[name].seconds_up > BEGIN_SECONDS:
                    self.children[name].restart(reason, self.say)

    def stop(self) -> None:
        """Ends everything in its order, each politely first."""
        self.stopping.set()
        for names, seconds in STEPS:
            _end([child for name, child in self.children.items() if name in names], seconds)
        for process in leftovers.marked(self.mark):  # what a killed process had started outside its group
            process.kill()
        leftovers.forget(self.data_dir)

    def _record(self) -> None:
        pids = {name: child.pid for name, child in self.children.items() if child.pid is not None}
        leftovers.record(self.data_dir, self.mark, pids)


def _end(children: list[Child], seconds: float) -> None:
    for child in children:
        child.signal_group(signal.SIGTERM)
    deadline = time.monotonic() + seconds
    for child in children:
        child.wait(deadline)
        child.signal_group(signal.SIGKILL)
        child.wait(time.monotonic() + 1.0)


@contextmanager
def ended_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal set `stopping` instead of breaking off in the middle of something."""

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
