"""Brings two sides to the same: three-way from what both had after their last sync, else both get all of both."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils import timezone

from registry import auditing, comparing, diffing, registries, replacing
from registry.applying import Changed
from registry.comparing import Side
from registry.diffing import ADDED, CHANGED, MISSING, Change, Diff
from registry.documents import native, reading
from registry.documents.content import Content
from registry.holding import Busy
from registry.merging import Dispute, Merged
from registry.models import Snapshot, SyncPoint
from registry.strategies import PREFER_NEWER, strategy_named
from registry.uniting import United, unite

TRIES = 3


@dataclass(frozen=True)
class Report:
    """What a sync does to both sides, or did."""

    first: Diff  # what changes on the first side
    second: Diff
    labels: tuple[str, str]
    undecided: list[Dispute]
    conflicts: list[Dispute]
    warnings: list[str]
    since: str | None  # when both were the same last, None: never
    written: bool = False
    undo: list[Snapshot] = field(default_factory=list)  # what local sides were before

    @property
    def changes(self) -> list[Change]:
        """What changes on either side."""
        return [*self.first.changes, *self.second.changes]

    def models(self, *actions: str) -> int:
        """Models with one of these actions on at least one side."""
        return len({each.identity for each in self.changes if each.kind == "model" and each.action in actions})

    @property
    def summary(self) -> str:
        """ "3 models written, 1 model deleted, 2 conflicts", or that both sides are the same."""
        if not self.first and not self.second:
            return f"{self.labels[0]} and {self.labels[1]} are the same"
        # a server comes along with its models
        others = sum(each.kind != "model" and (each.kind, each.action) != ("server", ADDED) for each in self.changes)
        counted = (
            (self.models(ADDED, CHANGED), "model", " written"),
            (self.models(MISSING), "model", " deleted"),
            (others, "other change", ""),
            (len(self.conflicts), "conflict", ""),
            (len(self.undecided), "undecided", ""),
        )
        return ", ".join(_number(*each) for each in counted if each[0]) or "only servers differ"

    def as_dict(self, shown: int = 1000) -> dict[str, Any]:
        """As JSON has it; `models_updated` are those written on at least one side, new ones too."""
        return {
            "summary": self.summary,
            "models_updated": self.models(ADDED, CHANGED),
            "models_added": self.models(ADDED),
            "models_deleted": self.models(MISSING),
            "conflicts": [str(each) for each in self.conflicts[:shown]],
            "undecided": [str(each) for each in self.undecided[:shown]],
            "warnings": self.warnings[:shown],
            "sides": [
                {"label": label, "changes": len(found.changes), "counts": _counts(found)}
                for label, found in zip(self.labels, (self.first, self.second), strict=True)
            ],
            "since": self.since,
            "written": self.written,
            "undo": [snapshot.pk for snapshot in self.undo],
        }


def _number(number: int, noun: str, done: str) -> str:
    plural = "s" if number != 1 and noun != "undecided" else ""
    return f"{number:,} {noun}{plural}{done}"


def _counts(found: Diff) -> dict[str, int]:
    return {action: found.count(action) for action in (ADDED, CHANGED, MISSING)}


def sync(
    first: Side,
    second: Side,
    *,
    strategy: str = PREFER_NEWER,
    dry_run: bool = False,
    results: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Report:
    """Makes both sides hold the same, decided by `strategy`: where it prefers what comes in, `second` is that.

    Each side is a registry, a file or a registry of another LMStrix. Test results stay with their host unless
    `results`. `check` is called before each side is written: what it raises ends the sync there, and the next sync
    goes on from it. Raises ValueError with a sentence for people, Busy when a side keeps changing.
    """
    strategy = strategy_named(strategy)
    first, second = _writable(first, dry_run), _writable(second, dry_run)
    if first.spec == second.spec:
        raise ValueError(f"{first.label} is on both sides; name two different ones.")
    for attempt in range(TRIES):
        if attempt:
            first, second = comparing.again(first), comparing.again(second)
        point = _point(first, second)
        united = unite(_base(point), first.content, second.content, strategy, results=results)
        report = _report(first, second, united, point)
        if dry_run:
            return report
        try:
            return _carry_out(report, first, second, united, check)
        except Changed:
            continue
    raise Busy(f"{first.label} or {second.label} keeps changing; try again in a moment.")


def _writable(one: Side, dry_run: bool) -> Side:
    """`one` as a side that can be written: a file is a registry bound to it, as the file is now."""
    if one.snapshot is not None:
        raise ValueError(f"{one.label} is a snapshot and never changes; merge it into the registry instead.")
    file = one.file or (one.registry.path if one.registry is not None else "")
    return one if dry_run or not file else comparing.side_of(registries.bound_to(file))


def _report(first: Side, second: Side, united: United, point: SyncPoint | None) -> Report:
    return Report(
        first=diffing.diff(first.content, united.first),
        second=diffing.diff(second.content, united.second),
        labels=(first.label, second.label),
        undecided=united.undecided,
        conflicts=united.conflicts,
        warnings=united.warnings,
        since=point.created.isoformat() if point is not None else None,
    )


def _carry_out(report: Report, first: Side, second: Side, united: United, check: Callable[[], None]) -> Report:
    """Writes both sides, the one far away first: it is the one that may refuse."""
    sides = [(first, united.first, report.first, second), (second, united.second, report.second, first)]
    undo = []
    for one, target, found, other in sorted(sides, key=lambda each: each[0].remote is None):
        if found:
            check()
            undo += _write(one, target, other)
    _save_point(first, second, united.common)
    return Report(**{**vars(report), "written": True, "undo": undo})


def _write(one: Side, target: Content, other: Side) -> list[Snapshot]:
    """Makes one side hold `target`; gives the snapshot of what it was, if one was taken."""
    if one.remote is not None:
        one.remote.write(target, one.version or 0)
        auditing.note("sync", None, kind="registry", name=one.spec, summary=f"with {other.label}")
        return []
    assert one.registry is not None  # noqa: S101  (`_writable`)
    done = replacing.carry_out(
        one.registry, lambda now: Merged(target), action="sync", source=other.label, expected_version=one.version
    )
    registries.save_bound(one.registry)
    return [done.undo] if done.undo is not None else []


def _names(first: Side, second: Side) -> list[str]:
    """The two sides as a sync point has them, whichever was named first."""
    return sorted(_name(one) for one in (first, second))


def _name(one: Side) -> str:
    path = one.registry.path if one.registry is not None else one.file
    return f"file:{Path(path)}" if path else one.spec


def _point(first: Side, second: Side) -> SyncPoint | None:
    one, other = _names(first, second)
    return SyncPoint.objects.filter(first=one, second=other).first()


def _base(point: SyncPoint | None) -> Content | None:
    """What both sides had after their last sync; None when they never had one, or what is kept of it is damaged."""
    if point is None:
        return None
    try:
        document = gzip.decompress(bytes(point.document))
    except (OSError, EOFError, zlib.error):
        return None
    return reading.read(document, name="sync point") if native.digest(document) == point.sha256 else None


def _save_point(first: Side, second: Side, common: Content) -> None:
    document = native.canonical(native.as_native(common, full=True))
    packed, sha256 = gzip.compress(document, mtime=0), native.digest(document)
    one, other = _names(first, second)
    SyncPoint.objects.update_or_create(
        first=one, second=other, defaults={"document": packed, "sha256": sha256, "created": timezone.now()}
    )
