"""`lmstrix registry export|import`."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from registry import changing, exchanging, snapshots, storing
from registry.management.base import OwnCommand, wrong_usage
from registry.management.registry_reports import HERE, bytes_of, done_here, tell_job, tell_plan
from registry.models import Registry


def export_file(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    full, expression = options["full_metadata"], options["filter"]
    data = exchanging.export(registry, fmt=options["format"], full=full, expression=expression)
    if options["file"] == "-":
        command.stdout.write(data.decode(), ending="")
        return
    file = Path(options["file"]).expanduser()
    if not file.parent.is_dir():
        raise wrong_usage(f"There is no folder {file.parent}; make it first.")
    packed = gzip.compress(data, mtime=0) if file.suffix == ".gz" else data
    try:
        storing.put(file, packed, mode=0o644)
    except OSError as error:
        raise wrong_usage(f"{file} cannot be written: {error.strerror}.") from error
    if options["json"]:
        command.print_json({"file": str(file), "format": options["format"], "bytes": len(packed)})
    else:
        command.console.print(f"{registry} is written to {file}: {len(packed):,} bytes, {options['format']}.")


def import_file(command: OwnCommand, registry: Registry, options: dict[str, Any]) -> None:
    data, strategy, as_json = bytes_of(options["file"]), options["strategy"], options["json"]
    name = Path(options["file"]).name if options["file"] != "-" else "standard input"
    if options["dry_run"]:
        plan = exchanging.bring_in(registry, data, strategy=strategy, dry_run=True, name=name)
        return tell_plan(command, registry, plan, as_json)
    upload = snapshots.store_upload(registry, name, data)
    job = done_here(command, changing.enqueue_import(registry, upload, strategy, **HERE), as_json)
    return tell_job(command, registry, job, as_json)
