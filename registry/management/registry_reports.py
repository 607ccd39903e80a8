"""What the actions of `lmstrix registry` share: jobs of this process, reports in words, refusals as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from registry.diffing import ADDED, CHANGED, MISSING, Diff
from registry.documents.content import Unreadable
from registry.holding import Busy
from registry.management.base import FAILED, OwnCommand, Worker, this_process, wrong_usage
from registry.models import Job, Registry, Snapshot
from registry.models.job import JobStatus, Runner
from registry.models.registry import DEFAULT
from registry.replacing import Report
from registry.views import wording

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


def tell_job(command: OwnCommand, changed: Registry | str, job: Job, as_json: bool) -> None:
    """What a job of `changing` did to the registry or to two sides, and how to undo it."""
    told = job.result.get("undo")
    undo = list(Snapshot.objects.filter(pk__in=told if isinstance(told, list) else [told or 0]))
    if as_json:
        named: Any = [each.name for each in undo]
        named = named if isinstance(told, list) else next(iter(named), None)
        command.print_json({**job.result, "undo": named, "job": job.pk})
        return
    command.console.print(f"{changed}: {job.result.get('summary', job.message)}")
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
    command.console.print(f"{registry}{f' would change: {report.summary}' if report.diff else ': nothing changes'}")
    tell_changes(command, report.diff)
    for text in [*map(str, report.undecided[:SHOWN]), *report.warnings]:
        command.console.print(f"  ! {text}")


def tell_changes(command: OwnCommand, found: Diff) -> None:
    """The changes, field by field, in the words of the pages."""
    for change in found.changes[:SHOWN]:
        command.console.print(f"  {SIGNS[change.action]} {change.kind} {change.id}")
        for each in change.fields:
            before, after = (_shown(found, each.field, value) for value in (each.before, each.after))
            command.console.print(f"      {wording.field_name(each.field)}: {before} → {after}")
    if len(found.changes) > SHOWN:
        command.console.print(f"  and {len(found.changes) - SHOWN:,} more; --json prints all")


def _shown(found: Diff, field: str, value: Any) -> str:
    return wording.shown(field, found.shown(field, value) if field == "models" else value).text
