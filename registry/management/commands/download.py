"""Downloads a model to a server that offers it, and scans the server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from registry import downloading, scanning
from registry.management.base import (
    FAILED,
    UNREACHABLE,
    OwnCommand,
    Worker,
    add_registry_option,
    registry_named,
    server_named,
    this_process,
    wrong_usage,
)
from registry.models import Registry, Server
from registry.models.job import JobStatus, Runner


class Command(OwnCommand):
    help = "Downloads a model to an LM Studio, by its name in the catalogue or its link, and scans the server."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="as in LM Studio's catalogue (qwen/qwen3-4b), or a link")
        parser.add_argument("--server", metavar="URL|NAME", help="where to; needed when there are several")
        parser.add_argument("--quantization", default="", metavar="Q", help="for a link: Q4_K_M, ...")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        registry, server = registry_named(options["registry"]), _server(options["server"])
        how: dict[str, Any] = {"registry": registry, "runner": Runner.COMMAND, "owner": this_process()}
        try:
            job = downloading.enqueue(server, options["name"], options["quantization"], **how)
        except ValueError as refusal:
            raise wrong_usage(str(refusal)) from refusal
        worker = Worker(self.console, quiet=options["json"])
        worker.do([job])
        job.refresh_from_db()
        done = job.status == JobStatus.SUCCEEDED
        if done:
            self._scan(server, registry)
        if options["json"]:
            told = {"server": server.name, "model": options["name"], "status": job.status, "error": job.error or None}
            self.print_json(told | {"message": job.message, "job": job.pk})
        elif done:
            self.console.print(f"{job.message}; the server is scanned.")
        if not done:
            code = UNREACHABLE if job.result.get("unreachable") else FAILED
            raise CommandError(job.error or job.message, returncode=code)

    def _scan(self, server: Server, registry: Registry) -> None:
        scan = scanning.enqueue(server, door="command", registry=registry, runner=Runner.COMMAND, owner=this_process())
        Worker(self.console, quiet=True).do([scan])


def _server(name: str | None) -> Server:
    if name:
        if found := server_named(name):
            return found
        raise wrong_usage(f"There is no server {name}; `lmstrix scan --server {name}` adds one at an address.")
    servers = list(Server.objects.enabled()[:2])
    if len(servers) != 1:
        raise wrong_usage("Say which server with --server NAME." if servers else "There is no server yet; scan one.")
    return servers[0]
