"""What scans found, over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Query, Router
from pydantic import BaseModel

from registry.api.access import Request, operation
from registry.api.fields import Id, Text
from registry.api.lists import Items, Listing, found, listed
from registry.models import Role, Scan

router = Router(tags=["scans"])


class ScanShape(BaseModel):
    """One look at one server: what was new, changed, gone; `job` tells how it went."""

    id: int
    job: int | None
    server: int
    server_name: str
    registry: str
    created: datetime
    ping_seconds: float | None
    duration_seconds: float | None
    api: str | None
    found: int
    added: list[Any]
    changed: list[Any]
    missing: list[Any]
    preserved: int
    rejected: list[Any]
    error: str | None

    @classmethod
    def of(cls, scan: Scan) -> ScanShape:
        return cls(
            id=scan.pk,
            job=scan.job_id,
            server=scan.server_id,
            server_name=scan.server.name,
            registry=scan.registry.name,
            created=scan.created,
            ping_seconds=scan.ping_seconds,
            duration_seconds=scan.duration_seconds,
            api=scan.api or None,
            found=scan.found,
            added=scan.added,
            changed=scan.changed,
            missing=scan.missing,
            preserved=scan.preserved,
            rejected=scan.rejected,
            error=scan.error or None,
        )


class ScansWanted(Listing):
    """Filters of the list of scans."""

    server: Id | None = None
    registry: Text | None = None


@operation(router.get, "", role=Role.VIEWER, answers=Items[ScanShape])
def list_scans(request: Request, wanted: Query[ScansWanted]) -> Items[ScanShape]:
    """Scans, newest first."""
    scans = Scan.objects.select_related("server", "registry")
    scans = scans.filter(server=wanted.server) if wanted.server else scans
    scans = scans.filter(registry__name=wanted.registry) if wanted.registry else scans
    return listed(ScanShape, scans, wanted, reverse=True)


@operation(router.get, "/{int:id}", role=Role.VIEWER, answers=ScanShape)
def get_scan(request: Request, id: Id) -> ScanShape:
    """One scan."""
    return ScanShape.of(found(Scan.objects.select_related("server", "registry"), "scan", pk=id))
