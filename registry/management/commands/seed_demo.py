"""Fills a registry with models for a demonstration or a measurement."""

from __future__ import annotations

from time import monotonic
from typing import Any

from django.core.management.base import CommandError, CommandParser

from registry import registries, seeding
from registry.holding import Busy
from registry.management.base import OwnCommand, add_registry_option
from registry.models import Registry
from registry.models.registry import DEFAULT


class Command(OwnCommand):
    help = "Writes plausible models with results, tags, groups and profiles; no server is asked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--models", type=int, default=1000, metavar="N", help="how many (default: 1000)")
        parser.add_argument("--servers", type=int, default=4, metavar="K", help="on how many servers (default: 4)")
        parser.add_argument("--add", action="store_true", help="also into a registry that has models already")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        began = monotonic()
        try:
            registry = _registry(options["registry"])
            written = seeding.seed(registry, options["models"], servers=options["servers"], add=options["add"])
        except (ValueError, Busy) as refusal:
            raise CommandError(str(refusal)) from refusal
        seconds = round(monotonic() - began, 1)
        if options["json"]:
            self.print_json({"registry": registry.name, "models": written, "seconds": seconds})
        else:
            self.console.print(f"Wrote {written:,} models into registry {registry} in {seconds:.1f} s.")


def _registry(name: str) -> Registry:
    """The registry of this name; a new one when there is none."""
    found = Registry.objects.default() if name == DEFAULT else Registry.objects.filter(name=name).first()
    return found or registries.create_registry(name)
