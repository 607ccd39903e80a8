"""`lmstrix registry stats|validate|fix|cleanup|compact`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from rich.table import Table

from registry import changing, counting, upkeep
from registry.management.base import FAILED, OwnCommand
from registry.management.registry_reports import HERE, done_here, tell_job, tell_plan, tell_undo
from registry.models import Registry
from registry.templatetags.figures import plain_size
from registry.views import wording


def stats(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    told = counting.statistics(registry)
    if options["json"]:
        command.print_json(told)
        return
    table = Table("", "", box=None, show_header=False)
    for name, value in wording.told(told):
        table.add_row(name, value.text)
    command.console.print(f"Registry {registry}")
    command.console.print(table)


def validate(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    issues = upkeep.validate(registry)
    if options["json"]:
        command.print_json({"valid": not issues, "issues": [issue.as_dict() for issue in issues]})
    elif not issues:
        command.console.print(f"✅ {registry} is valid: every rule holds.")
    for issue in issues if not options["json"] else ():
        command.console.print(f"  • {issue}" + (" (fix mends it)" if issue.fixable else ""))
    if issues:
        raise CommandError("" if options["json"] else f"❌ {len(issues):,} rules are broken.", returncode=FAILED)


def fix(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    done = upkeep.fix(registry, dry_run=options["dry_run"])
    if options["json"]:
        steps = [step.as_dict() for step in done.steps]
        command.print_json({"steps": steps, "applied": not options["dry_run"], "undo": done.undo and done.undo.name})
        return
    would = "would be mended" if options["dry_run"] else "mended"
    command.console.print(f"{registry}: {len(done.steps):,} {would}" if done.steps else f"{registry}: nothing to mend.")
    for step in done:
        command.console.print(f"  • {step}")
    tell_undo(command, done.undo)


def cleanup(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    orphans, days, as_json = options["orphans"], options["results_older_than"], options["json"]
    if not orphans and days is None:
        orphans = True
    if options["dry_run"]:
        plan = upkeep.cleanup(registry, orphans=orphans, older_than_days=days, dry_run=True)
        return tell_plan(command, registry, plan, as_json)
    upkeep.check(orphans, days)
    job = changing.enqueue_cleanup(registry, orphans=orphans, older_than_days=days, **HERE)
    return tell_job(command, registry, done_here(command, job, as_json), as_json)


def compact(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    done = upkeep.compact(registry)
    if options["json"]:
        command.print_json(
            {"bytes_before": done.before, "bytes_after": done.after, "bytes_saved": done.saved, "files": done.files}
        )
        return
    before, after, saved = (plain_size(size) for size in (done.before, done.after, done.saved))
    command.console.print(f"{registry}: {before} before, {after} now; {saved} saved, {done.files:,} files deleted.")
