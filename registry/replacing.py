"""Makes a registry hold something else, so that it can be undone: the one way of restore, merge, import, take-over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from registry import applying, auditing, diffing, keeping
from registry.applying import Applied
from registry.diffing import ADDED, CHANGED, KINDS, MISSING, Diff
from registry.documents.collecting import uncollected
from registry.documents.content import Content
from registry.holding import Busy, holding
from registry.merging import Merged
from registry.models import Registry, Server, Snapshot
from registry.models.snapshot import Origin

TRIES = 3
WORDS = {ADDED: "added", CHANGED: "changed", MISSING: "removed"}
UNUSED = "left without a model here"  # what happens to a server instead of being removed: others may use it

Plan = Callable[[Content], Merged]
Finish = Callable[["Report"], None]  # called last in the transaction of the change: what it raises undoes all


@dataclass(frozen=True)
class Report:
    """What an operation does to a registry, or did: `applied` is None for one that was only looked at."""

    diff: Diff
    undecided: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    undo: Snapshot | None = None  # what the registry was before
    applied: Applied | None = None

    @property
    def models_written(self) -> int:
        return self.diff.count(ADDED, "model") + self.diff.count(CHANGED, "model")

    @property
    def summary(self) -> str:
        """ "3 models added, 1 group changed", or that nothing is different."""
        parts = []
        for kind in KINDS:
            for action, word in (WORDS | ({MISSING: UNUSED} if kind == "server" else {})).items():
                if number := self.diff.count(action, kind):
                    parts.append(f"{number:,} {kind}{'s' if number != 1 else ''} {word}")
        return ", ".join(parts) or "nothing is different"

    def as_dict(self, changes: int = 1000) -> dict[str, Any]:
        """As JSON has it, with at most so many changes."""
        return {
            "summary": self.summary,
            "counts": {
                kind: {WORDS[action]: self.diff.count(action, kind) for action in WORDS} for kind in KINDS
            },
            "changes": [
                {
                    "kind": change.kind, "id": change.id, "name": change.name, "action": WORDS[change.action],
                    "fields": {each.field: [each.before, each.after] for each in change.fields},
                }
                for change in self.diff.changes[:changes]
            ],
            "undecided": [str(each) for each in self.undecided[:changes]],
            "warnings": self.warnings,
            "applied": self.applied is not None,
            "undo": self.undo.name if self.undo else None,
        }  # fmt: skip


@uncollected()
def carry_out(
    registry: Registry,
    plan: Plan,
    *,
    action: str,
    source: str,
    dry_run: bool = False,
    expected_version: int | None = None,
    finish: Finish | None = None,
) -> Report:
    """Plans on what the registry holds, keeps that as a snapshot when anything of it goes, and writes in one step.

    Somebody else's change in between makes a new plan; the third is made under the lock, so that the others wait.
    With `expected_version` such a change raises applying.Changed instead. Busy when the lock is not to be had.
    Whatever fails leaves all as it was.
    """
    with ExitStack() as locked:
        for attempt in range(TRIES):
            if attempt == TRIES - 1:
                locked.enter_context(holding(registry))
            now, version = keeping.contents_now(registry)
            if expected_version not in (None, version):
                raise applying.Changed(f"Registry {registry} has changed since this was planned; look at it again.")
            merged = plan(now)
            warnings = [*merged.warnings, *_of_servers(now, merged.content)]
            report = Report(diffing.diff(now, merged.content), list(merged.undecided), warnings)
            if dry_run:
                return report
            try:
                with _safe(registry, now, report.diff, f"before: {action} {source}") as draft:
                    return _write(registry, version, merged.content, draft, report, (action, source), finish)
            except applying.Changed:
                if expected_version is not None:
                    raise
    raise Busy(f"Registry {registry} keeps changing; nothing was changed, try again.")


def _safe(registry: Registry, now: Content, found: Diff, note: str) -> AbstractContextManager[Snapshot | None]:
    """A draft of what the registry is now, so that this can be undone; of an empty one there is nothing to keep."""
    if not found.changes or not (now.models or now.groups or now.profiles):
        return nullcontext()
    return keeping.drafted(registry, now, origin=Origin.SAFETY, note=note)


def _write(
    registry: Registry,
    version: int,
    target: Content,
    draft: Snapshot | None,
    report: Report,
    what: tuple[str, str],
    finish: Finish | None,
) -> Report:
    with holding(registry) as held:
        applied = applying.apply(held, target, expected_version=version)
        undo = keeping.save(draft) if draft is not None else None
        auditing.note(what[0], held, registry=held, summary=f"{what[1]}: {report.summary}")
        report = replace(report, applied=applied, undo=undo)
        if finish is not None:
            finish(report)
    return report


def guarded(registry: Registry, note: str, work: Callable[[Registry], None]) -> Snapshot:
    """Does `work` on the tables of the registry in one transaction; gives the snapshot of what it was before."""
    for _ in range(TRIES):
        now, version = keeping.contents_now(registry)
        safety = keeping.drafted(registry, now, origin=Origin.SAFETY, note=note)
        with suppress(applying.Changed), safety as draft, holding(registry) as held:
            if held.version != version:
                raise applying.Changed(f"Registry {registry} has changed meanwhile.")
            work(held)
            return keeping.save(draft)
    raise Busy(f"Registry {registry} keeps changing; nothing was changed, try again.")


def _of_servers(now: Content, target: Content) -> list[str]:
    """What a person should know of the servers before this is done."""
    known = dict(Server.objects.values_list("base_url", "token_sealed"))
    back = [str(told.get("name") or address) for address, told in target.servers.items() if address not in known]
    gone = [
        str(told.get("name") or address)
        for address, told in now.servers.items()
        if address not in target.servers and known.get(address)
    ]
    said = [f"Server {name} comes without a token; enter it again if it needs one." for name in back]
    return said + [f"Server {name} has a token; no model of this registry is on it any more." for name in gone]
