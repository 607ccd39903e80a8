"""Registries as files, over REST."""

from __future__ import annotations

import re
from typing import Any, Literal

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import BaseModel

from registry import changing, exchanging, snapshots
from registry.api.access import Request, operation
from registry.api.fields import Text, Word
from registry.api.jobs import Started, started
from registry.api.registries import registry_named
from registry.models import Role
from registry.replacing import Report
from registry.strategies import strategy_named

router = Router(tags=["registries"])

CONTENT_TYPES = {
    "native": "application/json", "lmstrix": "application/json", "csv": "text/csv; charset=utf-8",
    "yaml": "application/yaml",
}  # fmt: skip
FILE_TYPES = ("application/json", "application/gzip", "text/csv", "application/yaml")
VERSION = "X-LMStrix-Version"  # of the registry that an export shows; an `exact` import may ask for it
Format = Literal["native", "lmstrix", "csv", "yaml"]


class ReportShape(BaseModel):
    """What an operation does to a registry, or did; `undo` is the snapshot of what it was before."""

    summary: str
    counts: dict[str, dict[str, int]]
    changes: list[dict[str, Any]]
    undecided: list[str]
    warnings: list[str]
    applied: bool
    undo: str | None

    @classmethod
    def of(cls, report: Report) -> ReportShape:
        return cls(**report.as_dict())


class ExportWanted(BaseModel):
    """Which models, and how they are written."""

    format: Format = "native"
    full: bool = False
    filter: Text = ""
    live: bool = True


class ImportWanted(BaseModel):
    """How a file is taken over."""

    strategy: Word = "update"
    dry_run: bool = False
    version: int | None = None


@operation(router.get, "/{path:name}/export", role=Role.VIEWER, answers=None)
def export_registry(request: Request, name: Text, wanted: Query[ExportWanted]) -> HttpResponse:
    """The registry as a file; `full` adds tests with their probes, `filter` chooses models.

    Without `live` the usage is only what came with a file, and so does not change with every request.
    """
    registry = registry_named(name)
    data = exchanging.export(registry, fmt=wanted.format, full=wanted.full, expression=wanted.filter, live=wanted.live)
    return as_file(data, f"{name}.{exchanging.FORMATS[wanted.format]}", CONTENT_TYPES[wanted.format], registry.version)


def as_file(data: bytes, name: str, content_type: str, version: int | None = None) -> HttpResponse:
    """An answer that a browser saves under a name without anything odd in it."""
    safe = re.sub(r"[^\w. -]+", "_", name.rpartition("/")[2], flags=re.ASCII).strip(" .") or "file"
    headers = {"Content-Disposition": f'attachment; filename="{safe}"', "X-Content-Type-Options": "nosniff"}
    if version is not None:
        headers[VERSION] = str(version)
    return HttpResponse(data, content_type=content_type, headers=headers)


@operation(
    router.post,
    "/{path:name}/import",
    role=Role.ADMIN,
    answers=Started,
    status=202,
    instead={200: ReportShape},
    also=(409,),
    extra={
        "requestBody": {
            "required": True,
            "content": {kind: {} for kind in FILE_TYPES},
        }
    },
)
def import_registry(request: Request, name: Text, wanted: Query[ImportWanted]) -> Status[Any]:
    """Takes over a file, sent as the body: native JSON (also gzipped), LMStrix's own file, CSV or YAML.

    `strategy`: update, skip, replace, prefer_newer, or exact, which makes the registry what the file is (with
    `version`: only while the registry still has that version). With `dry_run` nothing is changed.
    """
    registry, data = registry_named(name), _body(request)
    strategy = wanted.strategy if wanted.strategy == exchanging.EXACT else strategy_named(wanted.strategy)
    if wanted.dry_run:
        report = exchanging.bring_in(
            registry, data, strategy=strategy, dry_run=True, expected_version=wanted.version, name="the body"
        )
        return Status(200, ReportShape.of(report))
    upload = snapshots.store_upload(registry, "upload", data)
    return started(changing.enqueue_import(registry, upload, strategy, version=wanted.version))


def _body(request: Request) -> bytes:
    """The body as it came; files may be larger than other bodies."""
    data = request.read(settings.UPLOAD_BYTES + 1)
    if len(data) > settings.UPLOAD_BYTES:
        raise RequestDataTooBig
    return data
