"""What all our commands share: --json, exit codes, progress, and work that is a Job of this process."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from registry import acting, finding, jobs, registries, supervising
from registry.acting import Actor
from registry.models import Job, LanguageModel, Registry, Server
from registry.models.job import OPEN, JobStatus
from registry.models.registry import DEFAULT

FAILED, WRONG_USAGE, UNREACHABLE = 1, 2, 3
AT_ONCE = 32  # jobs that a command works on at the same time; each waits on HTTP


class PlainConsole(Console):
    """Prints names from servers as they are: no markup, no emoji codes, no control characters that steer a terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        shown = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
        return super().render_str(shown, **{**options, "markup": False, "emoji": False})


class OwnCommand(BaseCommand):
    """A command with `--json` and `--registry`; its output goes through `self.console`."""

    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        with acting.acting(Actor("command", name=_person())):
            told = super().execute(*args, **options)
            if bound := registries.opened(options.get("registry") or DEFAULT):
                registries.save_bound(bound)
            return told

    @property
    def console(self) -> Console:
        file = getattr(self.stdout, "_out", sys.stdout)
        # in a pipe a table is as wide as it has to be, so that its lines can be searched
        terminal = file.isatty()
        return PlainConsole(file=file, highlight=False, soft_wrap=not terminal, width=None if terminal else 240)

    def warn(self, text: str) -> None:
        """One line beside the output, which may be JSON."""
        file = getattr(self.stderr, "_out", sys.stderr)
        PlainConsole(file=file, highlight=False, soft_wrap=True).print(f"Warning: {text}")

    def print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _person() -> str:
    """Who typed the command; a container may know no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def wrong_usage(text: str) -> CommandError:
    return CommandError(text, returncode=WRONG_USAGE)


def add_registry_option(parser: CommandParser) -> None:
    parser.add_argument(
        "--registry", default=DEFAULT, metavar="NAME", help="a registry, or the path of a file (default: default)"
    )


def registry_named(name: str) -> Registry:
    """The registry of this name, or the one bound to the file at this path; exit 2 that says what there is."""
    found = Registry.objects.default() if name == DEFAULT else Registry.objects.filter(name=name).first()
    if registries.is_path(name) and (found is None or found.path):
        if found is None and not Path(name).expanduser().exists() and registries.opened(name) is None:
            raise wrong_usage(f"There is no file {name}; `lmstrix registry export {name}` makes one.")
        try:
            return registries.bound_to(name)
        except (ValueError, OSError) as error:
            raise wrong_usage(f"{name} cannot be opened as a registry: {error}") from error
    if found is None:
        known = ", ".join(Registry.objects.values_list("name", flat=True)[:20])
        raise wrong_usage(f"There is no registry named {name}; there is {known}.")
    return found


def model_named(name: str, registry: Registry) -> LanguageModel:
    """The one model `name` means; exit 2 that names the candidates when there are several."""
    try:
        return finding.model_named(registry, name, otherwise=" `lmstrix list` shows all.")
    except ValueError as error:
        raise wrong_usage(str(error)) from error


def server_named(name: str) -> Server | None:
    return Server.objects.named(name)


def this_process() -> str:
    """The owner of jobs that this command runs itself."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Worker:
    """Does jobs in this process and shows how they go: a bar on a terminal, plain lines in a pipe."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self.console, self.quiet = console, quiet
        self._bars: dict[int, TaskID] = {}
        self._said: dict[int, str] = {}
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), TextColumn("{task.fields[message]}"), console=console, transient=True,
        )  # fmt: skip

    def do(self, family: Iterable[Job]) -> None:
        """Runs the jobs to their ends; Ctrl-C cancels them and waits until everything is put back."""
        waiting = list(family)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            futures = [pool.submit(_do_one, job.pk) for job in waiting]
            with self._shown():
                while not all(future.done() for future in futures):
                    try:
                        self._look(waiting)
                        wait(futures, timeout=0.3)
                    except KeyboardInterrupt:
                        self.console.print("Cancelling; what was loaded before is put back ...")
                        for job in waiting:
                            supervising.cancel(job)
            self._look(waiting)
        for future in futures:
            future.result()

    def _shown(self) -> Any:
        return self._progress if self.console.is_terminal and not self.quiet else _Nothing()

    def _look(self, family: Sequence[Job]) -> None:
        if self.quiet:
            return
        for job in Job.objects.filter(pk__in=[job.pk for job in family]):
            if self.console.is_terminal:
                if job.pk not in self._bars:
                    self._bars[job.pk] = self._progress.add_task(job.title, total=1.0, message="")
                self._progress.update(self._bars[job.pk], completed=job.progress, message=job.message)
            elif self._said.get(job.pk) != job.message and job.status in OPEN:
                self._said[job.pk] = job.message
                self.console.print(f"{job.title}: {job.message}")


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _do_one(job_id: int) -> None:
    """Runs one job of this process; a server that is busy with another experiment is waited for."""
    try:
        while True:
            jobs.run(job_id)
            if not Job.objects.filter(pk=job_id, status=JobStatus.QUEUED).exists():
                return
            time.sleep(1)
    finally:
        if threading.current_thread() is not threading.main_thread():
            connections.close_all()
