"""`lmstrix add FILE|-`: a model by hand, from JSON."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from registry import editing
from registry.lmstudio import strict_json
from registry.management.base import OwnCommand, add_registry_option, registry_named, wrong_usage
from registry.management.registry_reports import bytes_of, refusals


class Command(OwnCommand):
    help = "Adds a model by hand, from a JSON object with its fields, or several from a list of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE|-", help="- for the standard input")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        with refusals(), transaction.atomic():
            models = [editing.add_custom(registry, fields) for fields in _objects(options["file"])]
        if options["json"]:
            self.print_json([{"id": model.public_id, "key": model.key, "name": model.name} for model in models])
        for model in models if not options["json"] else ():
            self.console.print(f"Added {model.public_id} to {registry}.")


def _objects(file: str) -> list[dict[str, Any]]:
    try:
        told = strict_json.loads(bytes_of(file))
    except ValueError as error:
        raise wrong_usage(f"{file} cannot be used: {error}.") from error
    objects = told if isinstance(told, list) else [told]
    if not objects or not all(isinstance(each, dict) for each in objects):
        raise wrong_usage(f"{file} must hold a JSON object with the fields of a model, or a list of them.")
    return objects
