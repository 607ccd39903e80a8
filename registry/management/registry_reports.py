"""What the actions of `lmstrix registry` share: jobs of this process, reports in words, refusals as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from registry.diffing import ADDED, CHANGED, MISSING, Change
from registry.documents.content import Unreadable
from registry.holding import Busy
from registry.management.base import FAILED, OwnCommand, Worker, this_process, wrong_usage
from registry.models import Job, Registry, Snapshot
from registry.models.job import JobStatus, Runner
from registry.models.registry import DEFAULT
from registry.replacing import Report

SHOWN = 20  # changes that are printed; --json prints all
SIGNS = {ADDED: "+", CHANGED: "~", MISSING: "-"}
HERE: dict[str, Any] = {"runner": Runner.COMMAND, "owner": this_process()}


@contextmanager
def refusals() -> Iterator[None]:
    """A file with faults, or a registry that others write, is failed work (1); any other refusal wrong usage (2)."""
    try:
        yield
    except Unreadable as error:
        faults = "\n".join(f"  {fault}" for fault in error.faults[:SHOWN])
        more = f"\n  and {len(error.faults) - SHOWN:,} more" if len(error.faults) > SHOWN else ""
        raise CommandError(
            f"The file cannot be used; nothing was changed.\n{faults}{more}", returncode=FAILED
        ) from error
    except Busy as error:
        raise CommandError(str(error), returncode=FAILED) from error
    except ValueError as error:
        raise wrong_usage(str(error)) from error


def bytes_of(file: str) -> bytes:
    """What the file holds, or the standard input for "-"; exit 2 when it cannot be read."""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise wrong_usage(f"{file} cannot be read: {error.strerror}.") from error


def done_here(command: OwnCommand, job: Job, quiet: bool) -> Job:
    """Does the job in this process; what fails is exit 1 with its reason."""
    Worker(command.console, quiet=quiet).do([job])
    job.refresh_from_db()
    if job.status != JobStatus.SUCCEEDED:
        raise CommandError(
            job.error or f"{job.get_kind_display()} was cancelled; nothing was changed.", returncode=FAILED
        )
    return job


def tell_job(command: OwnCommand, registry: Registry, job: Job, as_json: bool) -> None:
    """What a job of `changing` did, and how to undo it."""
    told = job.result.get("undo")
    undo = list(Snapshot.objects.filter(pk__in=told if isinstance(told, list) else [told or 0]))
    if as_json:
        named: Any = [each.name for each in undo]
        named = named if isinstance(told, list) else next(iter(named), None)
        command.print_json({**job.result, "undo": named, "job": job.pk})
        return
    command.console.print(f"{registry}: {job.result.get('summary', job.message)}")
    for text in [*job.result.get("undecided", ())[:SHOWN], *job.result.get("warnings", ())]:
        command.console.print(f"  ! {text}")
    for each in undo:
        tell_undo(command, each)


def tell_undo(command: OwnCommand, undo: Snapshot | None) -> None:
    if undo is not None:
        where = "" if undo.registry.name == DEFAULT else f' --registry "{undo.registry}"'
        command.console.print(f'Undo: lmstrix registry restore "{undo}"{where}')


def tell_plan(command: OwnCommand, registry: Registry, report: Report, as_json: bool) -> None:
    """What a dry run found."""
    if as_json:
        command.print_json(report.as_dict(changes=len(report.diff.changes)))
        return
    command.console.print(f"{registry} would change: {report.summary}")
    tell_changes(command, report.diff.changes)
    for text in [*map(str, report.undecided[:SHOWN]), *report.warnings]:
        command.console.print(f"  ! {text}")


def tell_changes(command: OwnCommand, changes: list[Change]) -> None:
    """The changes, field by field."""
    for change in changes[:SHOWN]:
        command.console.print(f"  {SIGNS[change.action]} {change.kind} {change.id}")
        for each in change.fields:
            command.console.print(f"      {each.field}: {_shown(each.before)} → {_shown(each.after)}")
    if len(changes) > SHOWN:
        command.console.print(f"  and {len(changes) - SHOWN:,} more; --json prints all")


def _shown(value: Any) -> str:
    if value in (None, "", [], {}):
        return "unknown"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
