"""Brings models into memory (`lmstrix load`)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from registry import editing, loading
from registry.management.base import OwnCommand, Worker, add_registry_option, this_process, wrong_usage
from registry.management.memory_commands import ended, exit_of, family_of, models_meant
from registry.models import Job
from registry.models.job import JobStatus, Runner

ON_OFF = {"on": True, "off": False}


class Command(OwnCommand):
    help = "Loads models. One that is loaded already and serves stays as it is; never a second copy."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("models", nargs="*", metavar="MODEL", help="key, server/key or server/key@variant")
        parser.add_argument("--group", metavar="G", help="the models of a group, in its order")
        parser.add_argument("--context", "--ctx", type=int, metavar="N", help="tokens (default: the server's own)")
        parser.add_argument("--flash-attention", choices=ON_OFF, help="default: the server's own")
        parser.add_argument("--kv-offload", choices=ON_OFF, help="the KV cache on the GPU")
        parser.add_argument("--batch", type=int, metavar="N", help="tokens that are read at once")
        parser.add_argument("--pin", action="store_true", help="keep in memory: the memory policy leaves it alone")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["models"]) == bool(options["group"]):
            raise wrong_usage("Name the models to load, or use --group for those of a group.")
        models = models_meant(options)
        wish = {
            "flash_attention": ON_OFF.get(options["flash_attention"]), "kv_offload": ON_OFF.get(options["kv_offload"]),
            "batch": options["batch"],
        }  # fmt: skip
        wish = {name: value for name, value in wish.items() if value is not None}
        how = {"runner": Runner.COMMAND, "owner": this_process()}
        try:
            job = loading.enqueue_load(models, context=options["context"], options=wish, **how)
        except ValueError as refusal:
            raise wrong_usage(str(refusal)) from refusal
        if options["pin"]:
            editing.set_pinned(models, on=True)
        Worker(self.console, quiet=options["json"]).do(family_of(job))
        self._report(ended(family_of(job)), options["json"])

    def _report(self, family: list[Job], as_json: bool) -> None:
        if as_json:
            told = [{"model": job.title, "status": job.status, "error": job.error or None, **job.result}
                    for job in family]  # fmt: skip
            self.print_json(told[0] if len(told) == 1 else told)
        for job in family:
            if job.status == JobStatus.SUCCEEDED and not as_json:
                seconds = job.result.get("seconds")
                took = "; it was loaded already" if seconds is None else f", in {seconds:.1f} s"
                self.console.print(job.message.removesuffix(f": {job.result['drift']}") + took + ".")
            if job.result.get("drift"):
                self.warn(f"{job.title}: {job.result['drift']}.")
        exit_of(family)
