"""Writes a registry as a file, and brings files and snapshots into it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from django.db.models import QuerySet

from registry import contents, filtering, keeping, merging, placing, replacing
from registry.documents import lmstrix_file, native, sheets, yaml_file
from registry.documents.collecting import uncollected
from registry.documents.content import Content, Fault, Unreadable
from registry.merging import Merged
from registry.models import LanguageModel, Registry
from registry.replacing import Finish, Report
from registry.spelling import respelled

FORMATS = {"native": "json", "lmstrix": "json", "csv": "csv", "yaml": "yaml"}  # and the file's extension
EXACT = "exact"  # not a merge: the registry holds what the file holds and nothing else


@uncollected()
def export(
    registry: Registry,
    *,
    fmt: str = "native",
    full: bool = False,
    expression: str = "",
    models: QuerySet[LanguageModel] | None = None,
    live: bool = True,
) -> bytes:
    """The registry (or `models` of it, or those that a filter lets through) as a file.

    `full` adds tests with their probes; without `live` the usage is only what came with a file.
    Raises ValueError for a format or filter that is none.
    """
    if fmt not in FORMATS:
        raise ValueError(f"{fmt} is no format of a file; use one of {', '.join(FORMATS)}.")
    if models is None and expression.strip():
        models = filtering.filtered(LanguageModel.objects.filter(registry=registry), expression)
    content = contents.content_of(registry, models=models, tests=full, live=live)
    if fmt == "native":
        return native.canonical(native.as_native(content, full=full))
    if fmt == "lmstrix":
        return native.canonical(lmstrix_file.as_lmstrix(content))
    return sheets.as_csv(content) if fmt == "csv" else yaml_file.as_yaml(content, full=full)


def bring_in(
    registry: Registry,
    data: bytes | Content,
    *,
    strategy: str = "update",
    dry_run: bool = False,
    name: str = "",
    results: bool | None = None,
    expected_version: int | None = None,
    finish: Finish | None = None,
) -> Report:
    """Imports a file of any format: `strategy` says who wins, `exact` makes the registry what the file is.

    Raises Unreadable with every fault of the file, ValueError for a strategy that is none, Busy.
    """
    incoming, warnings = _read(data, name)
    report = replacing.carry_out(
        registry,
        lambda now: _merged(now, incoming, strategy, results),
        action="import",
        source=name or "a file",
        dry_run=dry_run,
        expected_version=expected_version,
        finish=finish,
    )
    return replace(report, warnings=[*warnings, *report.warnings])


def _read(data: bytes | Content, name: str) -> tuple[Content, list[str]]:
    if isinstance(data, Content):
        return data, []
    file = keeping.read_file(data, name=name)
    return file.content, [str(warning) for warning in file.warnings]


def _merged(now: Content, incoming: Content, strategy: str, results: bool | None) -> Merged:
    if strategy == EXACT:
        return Merged(respelled(Content(), placing.ordered(now, incoming)))
    return merging.merge(now, incoming, strategy, results=results)


def restore_from(
    registry: Registry, data: bytes, *, name: str = "", dry_run: bool = False, finish: Finish | None = None
) -> Report:
    """Makes the registry what a native file holds; what it is now is kept as a snapshot first (`undo`)."""
    file = keeping.read_file(data, name=name)
    if file.format != "native":  # other files know only a part of a registry
        raise Unreadable([Fault("", f"{name or 'the file'} is no whole registry ({file.format}); import it instead")])
    report = replacing.carry_out(
        registry,
        lambda now: Merged(file.content),
        action="restore",
        source=name or "a file",
        dry_run=dry_run,
        finish=finish,
    )
    return replace(report, warnings=[*map(str, file.warnings), *report.warnings])


def take_over(
    registry: Registry, incoming: Content, tokens: Collection[str], *, source: str, finish: Finish | None = None
) -> Report:
    """Takes over the changes that were chosen in a diff, by their tokens."""
    return replacing.carry_out(
        registry,
        lambda now: Merged(merging.take_over(now, incoming, tokens)),
        action="take over",
        source=source,
        finish=finish,
    )
