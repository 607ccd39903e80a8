"""Notes who changed what: one row for one change, written in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Model, QuerySet

from registry import acting
from registry.models import AuditEvent, Registry

LONGEST = 2000  # characters of one value that are kept


def note(
    action: str,
    thing: Model | None,
    *,
    kind: str = "",
    name: str = "",
    summary: str = "",
    registry: Registry | None = None,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
) -> AuditEvent:
    """Notes that `acting.current()` did `action` to `thing`, before it is deleted.

    `changes`: field -> (before, after), never a secret. `kind` and `name` are those of `thing` unless told.
    """
    actor = acting.current()
    return AuditEvent.objects.create(
        door=actor.door,
        user=actor.user,
        who=actor.who[:200],
        job=actor.job,
        action=action,
        registry=registry or getattr(thing, "registry", None),
        kind=kind or (str(thing._meta.verbose_name) if thing is not None else ""),
        object_id=thing.pk if thing is not None else None,
        name=(name or str(thing or ""))[:700],
        summary=summary[:500],
        changes={field: [_short(before), _short(after)] for field, (before, after) in (changes or {}).items()},
    )


def _short(value: Any) -> Any:
    """The value as JSON has it; long texts are cut."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | dict) and len(str(value)) <= LONGEST:
        return value
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def of(thing: Model) -> QuerySet[AuditEvent]:
    """What was noted about one object, newest first."""
    return AuditEvent.objects.filter(kind=str(thing._meta.verbose_name), object_id=thing.pk).select_related("user")
