"""Keeps the log free of ticks: what comes every few seconds and mostly does nothing says nothing when it succeeds."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping


class NoTicks(logging.Filter):
    """Drops what Celery tells of these tasks coming, going and ending well; warnings and errors pass."""

    def __init__(self, tasks: Collection[str]) -> None:
        super().__init__()
        self._tasks = frozenset(tasks)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return True
        args = record.args or ()  # Celery gives the worker's records a dictionary, beat's the names of entry and task
        told = args.get("name") if isinstance(args, Mapping) else next(reversed(args), "")
        return told not in self._tasks
