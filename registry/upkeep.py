"""Keeps a registry in order: finds and mends broken rules, removes what is of no use, gives space back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from registry import auditing, keeping, merging, replacing, snapshots
from registry.diffing import MISSING
from registry.documents.content import RESULTS, Content, Fields
from registry.holding import Busy
from registry.merging import Merged
from registry.models import LanguageModel, Registry, Snapshot
from registry.models.language_model import CheckStatus, LanguageModelQuerySet
from registry.replacing import Finish, Report
from registry.validating import RULES, Issue


def validate(registry: Registry) -> list[Issue]:
    """Every broken rule, each with its object."""
    return [issue for rule in RULES for issue in rule.issues(registry)]


@dataclass(frozen=True)
class Fixed:
    """What `fix` will do or did, in order, and the snapshot to come back to."""

    steps: list[Issue]
    undo: Snapshot | None = None

    def __iter__(self) -> Iterator[str]:
        return (f"{issue}; {issue.mend}" for issue in self.steps)


def fix(registry: Registry, dry_run: bool = False) -> Fixed:
    """Mends what can be mended without a decision; a snapshot is taken first. Raises Busy."""
    steps = [issue for issue in validate(registry) if issue.fixable]
    if dry_run or not steps:
        return Fixed(steps)

    def work(held: Registry) -> None:
        for rule in RULES:
            if rule.repair is not None:
                rule.repair(held)
        held.touch()
        auditing.note("fix", held, registry=held, summary=f"{len(steps):,} mended")

    return Fixed(steps, replacing.guarded(registry, "before: fix", work))


def orphans(registry: Registry) -> LanguageModelQuerySet:
    """Models that no server has any more."""
    return LanguageModel.objects.filter(registry=registry, missing=True).exclude(server=None)


def cleanup(
    registry: Registry,
    *,
    orphans: bool = False,
    older_than_days: int | None = None,
    dry_run: bool = False,
    finish: Finish | None = None,
) -> Report:
    """Removes models that no server has any more, and test results older than so many days; undo as for a restore.

    With a result go the tests behind it and what the model says of it: it is untested again.
    """
    check(orphans, older_than_days)
    before = None if older_than_days is None else timezone.now() - timedelta(days=older_than_days)

    def plan(now: Content) -> Merged:
        models = {
            identity: fields if before is None else _without_old(fields, before)
            for identity, fields in now.models.items()
            if not (orphans and fields.get("missing") and identity.server)
        }
        used = {identity.server for identity in models}
        servers = {address: told for address, told in now.servers.items() if address in used}
        return Merged(merging.closed(replace(now, models=models, servers=servers))[0])

    return replacing.carry_out(
        registry, plan, action="cleanup", source=_what(orphans, older_than_days), dry_run=dry_run, finish=finish
    )


def check(orphans: bool, older_than_days: int | None) -> None:
    """Raises ValueError when there is nothing to clean up by this."""
    if not orphans and older_than_days is None:
        raise ValueError("Say what to clean up: orphans, or results older than a number of days.")
    if older_than_days is not None and not 0 <= older_than_days <= 36_500:
        raise ValueError(f"Results older than {older_than_days} days: use a number from 0 to 36,500.")


def _what(orphans: bool, days: int | None) -> str:
    parts = ["orphans"] if orphans else []
    return " and ".join(parts + ([f"results older than {days:,} days"] if days is not None else []))


def _without_old(fields: Fields, before: datetime) -> Fields:
    """A model without its tests of that time, and untested when its result is of that time."""
    tests = [test for test in fields.get("tests", []) if _when(test.get("created")) >= before]
    kept = fields | {"tests": tests}
    if not fields.get("last_tested") or _when(fields["last_tested"]) >= before:
        return kept
    empty: dict[str, Any] = {"test_status": CheckStatus.UNTESTED.value, "test_verdict": "", "stale": False}
    return kept | dict.fromkeys(RESULTS) | empty | {"stale_reason": "", "tests": tests}


def _when(text: Any) -> datetime:
    """A time of a content; one that is not told is now."""
    return datetime.fromisoformat(text) if text else timezone.now()


def cleanup_orphans(registry: Registry) -> list[str]:
    """Removes models that no server has any more, after a snapshot; gives their ids."""
    report = cleanup(registry, orphans=True)
    return [change.id for change in report.diff.changes if (change.kind, change.action) == ("model", MISSING)]


def cleanup_results(registry: Registry, *, older_than_days: int) -> int:
    """Removes older test results, after a snapshot; gives of how many models."""
    return cleanup(registry, older_than_days=older_than_days).models_written


@dataclass(frozen=True)
class Compacted:
    """Bytes on the disk before and after, and how many files were removed."""

    before: int
    after: int
    files: int

    @property
    def saved(self) -> int:
        return max(self.before - self.after, 0)


def compact(registry: Registry) -> Compacted:
    """Deletes snapshots that are kept no longer and files that belong to none, and gives the database's gaps back.

    PostgreSQL gives its gaps back by itself. Raises Busy when others write all the time.
    """
    before, files = _size(), 0
    files += snapshots.prune(registry)
    for file in keeping.unused_files():
        file.unlink(missing_ok=True)
        files += 1
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        _vacuum()
    auditing.note("compact", registry, registry=registry, summary=f"{files:,} files deleted")
    return Compacted(before, _size(), files)


def _vacuum() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except OperationalError as error:
        raise Busy(f"The database is in use ({error}); compact again in a moment. Nothing is lost.") from error


def _size() -> int:
    """Bytes of the database and of the snapshots."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            database = int(cursor.fetchone()[0])
        else:
            main = Path(str(connection.settings_dict["NAME"]))
            parts = (main, main.with_name(f"{main.name}-wal"))
            database = sum(part.stat().st_size for part in parts if part.exists())
    folder = Path(settings.DATA_DIR) / "snapshots"
    return database + sum(file.stat().st_size for file in folder.glob("*"))
