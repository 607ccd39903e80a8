"""Asks servers what they have and brings the registry up to date."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.table import Table

from registry import connecting, facts, scanning, sealing
from registry.lmstudio import normalize_base_url
from registry.lmstudio.errors import LMStudioError
from registry.lmstudio.wire import Listing
from registry.management.base import (
    FAILED,
    UNREACHABLE,
    OwnCommand,
    Worker,
    add_registry_option,
    registry_named,
    this_process,
    wrong_usage,
)
from registry.models import LanguageModel, Registry, Scan, Server
from registry.models.job import JobStatus, Runner
from registry.templatetags.figures import plain_size

Row = tuple[str, int | None, str, str, bool]


class Command(OwnCommand):
    help = "Discovers models: asks each server what it has and merges that into the registry."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--server", metavar="URL|NAME", help="one server; an unknown URL is added")
        parser.add_argument("--refresh", action="store_true", help="ask again even when the list is younger than 5 s")
        parser.add_argument("--verbose", action="store_true", help="show each model and what changed")
        parser.add_argument("--no-update", action="store_true", help="only show what the server has")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        servers = [self._server(options)] if options["server"] else list(Server.objects.enabled())
        if not servers:
            raise wrong_usage("There is no server yet; add one with `lmstrix scan --server http://HOST:1234`.")
        if options["no_update"]:
            return self._show_only(servers, registry, options)
        scans = {}
        for server in servers:
            scans[server.pk] = None if options["refresh"] else scanning.fresh(server, registry)
        family = [
            scanning.enqueue(s, door="command", registry=registry, runner=Runner.COMMAND, owner=this_process())
            for s in servers
            if scans[s.pk] is None
        ]
        Worker(self.console, quiet=True).do(family)
        done = Scan.objects.select_related("server", "registry", "job").filter(job__in=family)
        scans |= {scan.server.pk: scan for scan in done}
        return self._report([scan for scan in scans.values() if scan], options)

    def _server(self, options: dict[str, Any]) -> Server:
        name = options["server"]
        if known := Server.objects.named(name):
            return known
        try:
            address = normalize_base_url(name)
        except ValueError as error:
            raise wrong_usage(
                f"There is no server named {name}, and as an address it cannot be used: {error}"
            ) from error
        if known := Server.objects.filter(base_url=address).first():
            return known
        if options["no_update"]:
            return Server(name=address, base_url=address)
        host = address.split("://", 1)[1].replace("/", " ")
        try:
            return connecting.add_server(name=host, base_url=address)
        except ValueError as error:
            raise wrong_usage(f"{address} cannot be added: {error}") from error

    def _show_only(self, servers: list[Server], registry: Registry, options: dict[str, Any]) -> None:
        faults, found = [], []
        for server in servers:
            try:
                listing = scanning.look(server)
            except (LMStudioError, sealing.Unreadable) as error:
                faults.append(str(error))
                continue
            rows = _rows(server, listing, registry)
            found.append({"server": server.name, "base_url": server.base_url, "models": [row[0] for row in rows]})
            if not options["json"]:
                ping = f"{listing.ping_seconds * 1000:.0f}ms"
                self.console.print(f"{server.base_url} answers (ping: {ping}); nothing is changed.")
                self.console.print(_table(rows))
        if options["json"]:
            self.print_json(found)
        if faults:
            raise CommandError("\n".join(faults), returncode=UNREACHABLE)

    def _report(self, scans: list[Scan], options: dict[str, Any]) -> None:
        if options["json"]:
            self.print_json([_as_dict(scan) for scan in scans])
        else:
            for scan in scans:
                self._print_scan(scan, options["verbose"])
        faults = [fault for scan in scans if (fault := _fault(scan))]
        if faults:
            told = "" if not options["json"] else "; ".join(faults)
            code = UNREACHABLE if any(scan.error for scan in scans) else FAILED
            raise CommandError(told or f"{len(faults)} of {len(scans)} servers not read.", returncode=code)

    def _print_scan(self, scan: Scan, verbose: bool) -> None:
        out = self.console.print
        if verbose:
            out(f"🔍 Scanning LM Studio server at {scan.server.base_url}...")
        if fault := _fault(scan):
            out(f"❌ {fault}")
            return
        if not verbose:
            out(f"{scan.server.name}: {scanning.summary(scan)}")
            return
        out(f"✅ Server connection successful (ping: {(scan.ping_seconds or 0) * 1000:.0f}ms)")
        out("📡 Discovering available models...\n")
        out(f"Found {scan.found} models:")
        new = set(scan.added)
        here = LanguageModel.objects.filter(registry=scan.registry, server=scan.server).present()
        out(_table([(m.key, m.size_bytes, m.parameters, m.type, m.key not in new) for m in here]))
        out("\n📋 Registry Updates:")
        out(f"  • Added {len(scan.added)} new models")
        out(f"  • Updated {scan.found - len(scan.added)} existing models")
        out(f"  • Preserved test results for {scan.preserved} models")
        if scan.missing:
            out(f"  • Marked {len(scan.missing)} models missing: {', '.join(scan.missing[:10])}")
        for fault in scan.rejected:
            out(f"  • Could not read {fault}")
        out(f"\n⏱️ Scan completed in {scan.duration_seconds or 0:.2f} seconds")


def _fault(scan: Scan) -> str:
    """Why a scan brought nothing; empty when it did."""
    if scan.error or scan.job is None or scan.job.status == JobStatus.SUCCEEDED:
        return scan.error
    return f"{scan.server.name}: {scan.job.error or scan.job.message}"


def _rows(server: Server, listing: Listing, registry: Registry) -> list[Row]:
    known = set(LanguageModel.objects.filter(registry=registry, server_id=server.pk).values_list("key", flat=True))
    return [
        (model.key, model.size_bytes, facts.parameters(model).text, facts.model_type(model)[0], model.key in known)
        for model in listing.models
    ]


def _table(rows: list[Row]) -> Table:
    table = Table("Model", "Size", "Parameters", "Type", "Status")
    for key, size, parameters, kind, known in rows:
        size_text = plain_size(size) if size is not None else "unknown"
        status = "✅ Known" if known else "🆕 New"
        table.add_row(key, size_text, parameters or "unknown", kind.capitalize(), status)
    return table


def _as_dict(scan: Scan) -> dict[str, Any]:
    return {
        "server": scan.server.name, "base_url": scan.server.base_url, "found": scan.found, "added": scan.added,
        "changed": scan.changed, "missing": scan.missing, "preserved": scan.preserved, "rejected": scan.rejected,
        "ping_seconds": scan.ping_seconds, "duration_seconds": scan.duration_seconds, "error": _fault(scan) or None,
    }  # fmt: skip
