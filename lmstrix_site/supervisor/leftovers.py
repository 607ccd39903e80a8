"""One `up` per data directory, and nothing left of the one before."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

LOCK_FILE, RECORD_FILE = "up.lock", "processes.json"
MARK = "LMSTRIX_RUN"  # in the environment of everything that one `up` starts


class AlreadyRunning(Exception):
    """Another `up` works on this data directory."""


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Holds the data directory for this process, or raises AlreadyRunning; the kernel frees it when we die."""
    with open(os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.read().strip() or "unknown"
            raise AlreadyRunning(
                f"LMStrix already runs on {data_dir} (process {holder}); "
                "use that one, end it, or choose another --data-dir."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def record(data_dir: Path, mark: str, pids: dict[str, int]) -> None:
    """Notes what is running, so that a later start can clear it and others can see it."""
    children = {}
    for name, pid in pids.items():
        with suppress(psutil.Error):
            children[name] = {"pid": pid, "created": psutil.Process(pid).create_time()}
    fresh = data_dir / f".{RECORD_FILE}"
    fresh.write_text(json.dumps({"mark": mark, "up": os.getpid(), "children": children}, indent=2) + "\n")
    fresh.replace(data_dir / RECORD_FILE)


def forget(data_dir: Path) -> None:
    (data_dir / RECORD_FILE).unlink(missing_ok=True)


def clear(data_dir: Path) -> int:
    """Ends what an `up` that died has left behind; gives how many processes that were. Hold the lock first."""
    try:
        kept = json.loads((data_dir / RECORD_FILE).read_text())
        mark = str(kept["mark"])
        pids = {int(child["pid"]): float(child["created"]) for child in kept["children"].values()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return 0
    left = {process.pid: process for process in [*marked(mark), *_recorded(pids)]}
    for process in left.values():
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(list(left.values()), timeout=3)
    forget(data_dir)
    return len(left)


def marked(mark: str) -> list[psutil.Process]:
    """Every process that carries `mark` in its environment: children, and what they have started."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _recorded(pids: dict[int, float]) -> list[psutil.Process]:
    """The recorded processes that still run; a number that was given to another process since does not count."""
    found = []
    for pid, created in pids.items():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if abs(process.create_time() - created) < 1:
                found.append(process)
    return found
