"""What was changed, for templates: values of the audit in words, registries by a name that fits."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from django import template

from registry.models import AuditEvent, Job, Registry, Snapshot
from registry.views import wording

register = template.Library()

SHOWN = 12  # fields of one event
DOORS = {"page": "on a page", "rest": "over REST", "admin": "in the admin", "command": "by a command",
         "python": "by a script", "schedule": "on schedule"}  # fmt: skip
WORDS = {
    "add": "added", "edit": "edited", "delete": "deleted", "rename": "renamed", "tag": "tagged", "untag": "untagged",
    "import": "imported into", "restore": "restored", "merge": "merged into", "take": "took changes over into",
    "sync": "synced", "cleanup": "cleaned up", "compact": "compacted", "fix": "mended", "snapshot": "took",
    "forget": "forgot", "revoke": "revoked", "issue": "issued",
    "load": "loaded", "unload": "unloaded", "enable": "enabled", "disable": "disabled",
}  # fmt: skip


@register.filter
def registry_label(registry: Registry) -> str:
    """Its name; of one that is bound to a file the file's name."""
    return PurePath(registry.path).name if registry.path else registry.name


@register.filter
def done(event: AuditEvent) -> str:
    """What was done, as a verb in the past."""
    return WORDS.get(event.action, event.action)


@register.filter
def through(event: AuditEvent) -> str:
    """Through which door."""
    return DOORS.get(event.door, event.door)


@register.filter
def differences(event: AuditEvent) -> list[tuple[str, wording.Shown, wording.Shown]]:
    """The first changed fields: name, before, after."""
    changes: dict[str, Any] = event.changes or {}
    pairs = [(name, pair) for name, pair in changes.items() if isinstance(pair, list) and len(pair) == 2]
    return [(wording.field_name(n), wording.shown(n, old), wording.shown(n, new)) for n, (old, new) in pairs[:SHOWN]]


@register.simple_tag
def undo_of(job: Job) -> list[Snapshot]:
    """The snapshots that were taken before the job changed something, as far as they are still there."""
    told = (job.result or {}).get("undo")
    keys = told if isinstance(told, list) else [told]
    wanted = [key for key in keys if isinstance(key, int)]
    return list(Snapshot.objects.filter(pk__in=wanted).select_related("registry")) if wanted else []
