"""The one way to write a registry: makes its tables equal to a Content. Import, restore, merge and sync end here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.db import DataError, IntegrityError
from django.db.models import F
from django.utils import timezone

from registry import applying_arrangements, applying_models, applying_servers, surveying
from registry.columns import moment
from registry.documents.content import Content, iso
from registry.holding import Busy, holding
from registry.models import Registry

ACTIONS = ("added", "changed", "deleted")


class Changed(Busy):
    """Somebody else has written the registry since the plan for it was made; nothing was changed."""


@dataclass
class Applied:
    """How many objects were written, by kind (server, model, group, profile, tests, ...) and action."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def note(self, kind: str, *numbers: int) -> None:
        """Adds how many were added, changed and deleted."""
        self.counts += Counter({(kind, action): number for action, number in zip(ACTIONS, numbers, strict=True)})

    def count(self, kind: str = "", action: str = "") -> int:
        """Objects of this kind with this action; any where it is not told."""
        return sum(n for (of, done), n in self.counts.items() if kind in ("", of) and action in ("", done))


def apply(registry: Registry, target: Content, *, expected_version: int | None = None) -> Applied:
    """Makes `registry` hold what `target` holds, in one transaction; whatever fails leaves all as it was.

    Rows are matched by identity and only differences are written, so tests, instances, jobs and records stay with
    their models. A model, group or profile that `target` lacks is deleted; a server never, since servers are shared
    by all registries. Fields that `target` does not tell stay. Raises Changed when the version is not the expected
    one, Busy, and ValueError when a value does not fit or a model is being tested that would be deleted.
    """
    try:
        with holding(registry) as held:
            if expected_version not in (None, held.version):
                raise Changed(
                    f"Registry {registry} has changed since this was planned; nothing was changed, try again."
                )
            return _write(held, target)
    except IntegrityError as error:
        raise Busy(f"Somebody else wrote the same objects as registry {registry}; nothing was changed.") from error
    except (DataError, OverflowError) as error:
        raise ValueError(f"A value does not fit into the database ({error}); nothing was changed.") from error


def _write(held: Registry, target: Content) -> Applied:
    done = Applied()
    servers = applying_servers.write(target, done.note)
    models = applying_models.write(held, target, servers, done.note)
    applying_arrangements.write_groups(held, target.groups, models, done.note)
    applying_arrangements.write_profiles(held, target.profiles, done.note)
    header = _header(held, target)
    if done.count("model") >= surveying.MANY:
        surveying.survey()
    if done or header:
        header.setdefault("updated", timezone.now())
        Registry.objects.filter(pk=held.pk).update(version=F("version") + 1, **header)
    return done


def _header(held: Registry, target: Content) -> dict[str, Any]:
    """What changes of the registry itself; its dates only when `target` tells when it was written."""
    header: dict[str, Any] = {}
    if target.extra != held.extra:
        header["extra"] = target.extra
    if target.last_updated is not None:
        if target.last_scan != iso(held.last_scan):
            header["last_scan"] = moment(target.last_scan) if target.last_scan else None
        if target.last_updated != iso(held.updated):
            header["updated"] = moment(target.last_updated)  # else that of the plan: it moves on with any change
    return header
