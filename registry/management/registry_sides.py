"""`lmstrix registry diff|sync`."""

from __future__ import annotations

from typing import Any

from registry import changing, comparing, syncing
from registry.management.base import OwnCommand
from registry.management.registry_reports import HERE, done_here, tell_changes, tell_job
from registry.models import Registry


def diff(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    before = comparing.side(options["first"], registry=registry, files=True)
    after = comparing.side(options["second"] or f"registry:{registry.name}", registry=registry, files=True)
    found = comparing.compare(before, after)
    if options["json"]:
        command.print_json(
            {
                "sentence": found.sentence(after.label, before.label),
                "changes": [
                    {
                        "kind": change.kind, "id": change.id, "name": change.name, "action": change.action,
                        "fields": {each.field: [each.before, each.after] for each in change.fields},
                    }
                    for change in found.changes
                ],
            }
        )  # fmt: skip
        return
    command.console.print(found.sentence(after.label, before.label))
    tell_changes(command, found)


def sync(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    strategy, results, as_json = options["strategy"], options["results"], options["json"]
    first, second = (comparing.side(options[name], registry=registry, files=True) for name in ("first", "second"))
    plan = syncing.sync(first, second, strategy=strategy, results=results, dry_run=True)
    if not options["dry_run"]:
        job = changing.enqueue_sync(registry, first.spec, second.spec, strategy, results, files=True, **HERE)
        return tell_job(command, f"{first.label} and {second.label}", done_here(command, job, as_json), as_json)
    if as_json:
        return command.print_json(plan.as_dict())
    command.console.print(f"Would be done: {plan.summary}")
    for label, found in zip(plan.labels, (plan.first, plan.second), strict=True):
        command.console.print(f"{label}:" if found else f"{label}: nothing changes")
        tell_changes(command, found)
    for text in [*map(str, [*plan.conflicts, *plan.undecided]), *plan.warnings]:
        command.console.print(f"  ! {text}")
    return None
