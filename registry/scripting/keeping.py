"""Backups, files, other registries and upkeep in the hands of a script."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from django.utils import timezone
from rich.console import Console

from registry import (
    comparing,
    counting,
    diffing,
    exchanging,
    registries,
    scanning,
    snapshots,
    syncing,
    upkeep,
)
from registry.comparing import Side
from registry.documents import reading as documents
from registry.management.base import Worker, this_process
from registry.models import LanguageModel, Registry, Server, Snapshot
from registry.models.job import Runner
from registry.scripting import reading
from registry.scripting.figures import Figures

if TYPE_CHECKING:
    from registry.scripting.registry import ModelRegistry

PathLike = str | os.PathLike[str]


class Keeping:
    """The half of a ModelRegistry that keeps it well; whole operations save a bound file by themselves."""

    registry: Registry

    # backups

    def create_backup(self, name: str | None = None) -> str:
        """Takes a snapshot; gives the path of its `.json.gz`."""
        return str(snapshots.path(snapshots.create(self.registry, name or "")))

    def list_backups(self) -> list[Figures]:
        """Newest first: name, date (ISO 8601), path, size_bytes, models."""
        return [
            Figures(
                name=snapshot.name, date=snapshot.created.isoformat(), path=str(snapshots.path(snapshot)),
                size_bytes=snapshot.size_bytes, models=snapshot.model_count,
            )
            for snapshot in Snapshot.objects.filter(registry=self.registry)
        ]  # fmt: skip

    def restore_from_backup(self, name: str) -> None:
        """Makes the registry what it was; a snapshot of what it is now is taken first."""
        registries.check_file(self.registry)
        snapshots.restore(snapshots.snapshot_named(self.registry, name))
        registries.save_bound(self.registry)

    def restore_from_file(self, path: PathLike) -> None:
        """The same from a file, `.json` or `.json.gz`."""
        registries.check_file(self.registry)
        exchanging.restore_from(self.registry, _bytes(path), name=Path(path).name)
        registries.save_bound(self.registry)

    def merge_from_backup(self, name: str, strategy: str = "prefer_newer") -> Figures:
        registries.check_file(self.registry)
        report = snapshots.merge(snapshots.snapshot_named(self.registry, name), strategy)
        registries.save_bound(self.registry)
        return Figures(models_written=report.models_written, undecided=len(report.undecided))

    # files

    def import_from_file(self, path: PathLike, merge_strategy: str = "update") -> int:
        """Takes over a file of any format (docs/backup.md); gives how many models were written."""
        registries.check_file(self.registry)
        report = exchanging.bring_in(
            self.registry, _bytes(path), strategy=merge_strategy, dry_run=False, name=Path(path).name
        )
        registries.save_bound(self.registry)
        return report.models_written

    def import_models(self, path: PathLike, validate: bool = True, skip_duplicates: bool = True) -> int:
        """The same, leaving known models alone when `skip_duplicates`; without `validate` faulty ones are left out."""
        registries.check_file(self.registry)
        data = _bytes(path)
        content = documents.read(data, name=Path(path).name) if validate else documents.read_good(data)
        strategy = "skip" if skip_duplicates else "update"
        report = exchanging.bring_in(self.registry, content, strategy=strategy, dry_run=False, name=Path(path).name)
        registries.save_bound(self.registry)
        return report.models_written

    def export_to_file(self, path: PathLike, full_metadata: bool = False) -> None:
        data = exchanging.export(self.registry, fmt="native", full=full_metadata)
        try:
            Path(path).expanduser().write_bytes(data)
        except OSError as error:
            raise ValueError(f"{path} cannot be written: {error.strerror}.") from error

    # other registries

    def sync_with(self, other: ModelRegistry, strategy: str = "prefer_newer") -> Figures:
        """Gives both registries what is newer in either: models_updated, models_added, models_deleted, conflicts."""
        report = syncing.sync(self._side(), _opened(other)._side(), strategy=strategy, dry_run=False)
        registries.save_bound(self.registry)
        registries.save_bound(other.registry)
        return Figures(report.as_dict())

    def compare_with(self, other: ModelRegistry) -> Figures:
        """Ids: `different`, `missing_in_first` (here), `missing_in_second` (there)."""
        found = diffing.diff(self._side().content, _opened(other)._side().content)
        models = [change for change in found.changes if change.kind == "model"]
        named = {"changed": "different", "added": "missing_in_first", "missing": "missing_in_second"}
        return Figures({key: [c.id for c in models if c.action == action] for action, key in named.items()})

    def _side(self) -> Side:
        return comparing.side_of(self.registry)

    # upkeep

    def cleanup_orphaned_models(self) -> list[str]:
        """Removes models that no server offers any more, after a snapshot; gives their ids."""
        return upkeep.cleanup_orphans(self.registry)

    def cleanup_old_test_results(self, days: int = 90) -> int:
        """Removes context tests older than this, after a snapshot; gives how many."""
        return upkeep.cleanup_results(self.registry, older_than_days=days)

    def compact(self) -> Figures:
        """Removes what nothing uses: bytes_before, bytes_after, bytes_saved."""
        done = upkeep.compact(self.registry)
        return Figures(bytes_before=done.before, bytes_after=done.after, bytes_saved=done.before - done.after)

    def validate(self) -> Figures:
        """`valid`, and `issues`: a sentence for each broken rule."""
        issues = upkeep.validate(self.registry)
        return Figures(valid=not issues, issues=[str(issue) for issue in issues])

    def auto_fix_issues(self) -> list[str]:
        """Mends what can be mended; says what was done."""
        return [str(step) for step in upkeep.fix(self.registry, dry_run=False)]

    def statistics(self) -> Figures:
        return Figures(counting.statistics(self.registry))

    # servers

    def scan_for_new_models(self) -> list[str]:
        """Scans every enabled server into this registry; gives the ids of models that were not known before."""
        began = timezone.now()
        family = [
            scanning.enqueue(server, door="python", registry=self.registry, runner=Runner.COMMAND, owner=this_process())
            for server in Server.objects.enabled()
        ]
        Worker(Console(), quiet=True).do(family)
        return reading.ids_of(LanguageModel.objects.filter(registry=self.registry, added__gte=began).order_by("key"))


def _opened(other: ModelRegistry) -> ModelRegistry:
    if not isinstance(other, Keeping):
        raise ValueError(f"{other!r} is not an opened registry; open it with load_model_registry(...) first.")
    return other


def _bytes(path: PathLike) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
