"""Fills a registry with models for a demonstration or a measurement."""

from __future__ import annotations

from time import monotonic
from typing import Any

from django.core.management.base import CommandError, CommandParser

from registry import registries, seeding, seeding_usage
from registry.holding import Busy
from registry.management.base import OwnCommand, add_registry_option
from registry.models import Registry
from registry.models.registry import DEFAULT


class Command(OwnCommand):
    help = "Writes plausible models with results, tags, groups and profiles, and their use; no server is asked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--models", type=int, metavar="N", help="how many (default: 1000; none with --records where there are some)"
        )
        parser.add_argument("--servers", type=int, default=4, metavar="K", help="on how many servers (default: 4)")
        parser.add_argument("--add", action="store_true", help="also into a registry that has models already")
        parser.add_argument("--records", type=int, default=0, metavar="N", help="requests over the last year")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        began = monotonic()
        try:
            registry = _registry(options["registry"])
            models, records = _seeded(registry, options)
        except (ValueError, Busy) as refusal:
            raise CommandError(str(refusal)) from refusal
        seconds = round(monotonic() - began, 1)
        if options["json"]:
            self.print_json({"registry": registry.name, "models": models, "records": records, "seconds": seconds})
        else:
            done = f"{models:,} models" + (f" and {records:,} requests" if records else "")
            self.console.print(f"Wrote {done} into registry {registry} in {seconds:.1f} s.")


def _seeded(registry: Registry, options: dict[str, Any]) -> tuple[int, int]:
    """How many models and requests were written."""
    models, records = options["models"], options["records"]
    if models is None:
        models = 0 if records and registry.models.exists() else 1000
    written = 0
    if models or not records:
        written = seeding.seed(registry, models, servers=options["servers"], add=options["add"])
    return written, seeding_usage.seed_records(registry, records) if records else 0


def _registry(name: str) -> Registry:
    """The registry of this name; a new one when there is none."""
    found = Registry.objects.default() if name == DEFAULT else Registry.objects.filter(name=name).first()
    return found or registries.create_registry(name)
