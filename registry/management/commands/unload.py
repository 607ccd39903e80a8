"""Takes models out of memory (`lmstrix unload`)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from registry import editing, loading
from registry.management.base import OwnCommand, Worker, add_registry_option, server_named, this_process, wrong_usage
from registry.management.memory_commands import ended, exit_of, family_of, models_meant
from registry.models import Job
from registry.models.job import JobStatus, Runner


class Command(OwnCommand):
    help = "Unloads models, once the requests in flight there are done; a pinned one, too, since a person says so."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("models", nargs="*", metavar="MODEL", help="key, server/key or server/key@variant")
        parser.add_argument("--group", metavar="G", help="the models of a group")
        parser.add_argument("--all", action="store_true", help="everything, on every enabled server")
        parser.add_argument("--server", metavar="NAME", help="with --all: only on this server")
        parser.add_argument("--force", action="store_true", help="also under requests in flight, which are cut off")
        parser.add_argument("--unpin", action="store_true", help="and no longer keep the named ones in memory")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if sum(map(bool, (options["models"], options["group"], options["all"]))) != 1:
            raise wrong_usage("Name the models to unload, or use --group for those of a group, or --all.")
        how = {"runner": Runner.COMMAND, "owner": this_process(), "force": options["force"]}
        models = [] if options["all"] else models_meant(options)
        try:
            job = self._everything(options, how) if options["all"] else loading.enqueue_unload(models, **how)
        except ValueError as refusal:
            raise wrong_usage(str(refusal)) from refusal
        if options["unpin"]:
            editing.set_pinned(models, on=False)
        Worker(self.console, quiet=options["json"]).do(family_of(job))
        self._report(ended(family_of(job)), options["json"])

    def _everything(self, options: dict[str, Any], how: dict[str, Any]) -> Job:
        server = server_named(options["server"]) if options["server"] else None
        if options["server"] and server is None:
            raise wrong_usage(f"There is no server named {options['server']}.")
        return loading.enqueue_unload_all(server, **how)

    def _report(self, family: list[Job], as_json: bool) -> None:
        if as_json:
            self.print_json([{"of": job.title, "status": job.status, "error": job.error or None, **job.result}
                             for job in family])  # fmt: skip
        else:
            for job in family:
                if job.status == JobStatus.SUCCEEDED:
                    self.console.print(f"{job.title}: {job.message}.")
        exit_of(family)
