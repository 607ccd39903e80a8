"""`lmstrix add FILE|-`: a model by hand, from JSON."""

from __future__ import annotations

import re
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from registry import editing
from registry.documents.content import Fault, Unreadable
from registry.documents.faults import Faults
from registry.lmstudio import strict_json
from registry.management.base import OwnCommand, add_registry_option, registry_named, wrong_usage
from registry.management.registry_reports import bytes_of, refusals
from registry.models import LanguageModel, Registry

_MODEL = re.compile(r'models\["(?:[^"\\]|\\.)*"\]')  # the place of a model by its id


class Command(OwnCommand):
    help = "Adds a model by hand, from a JSON object with its fields, or several from a list of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE|-", help="- for the standard input")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        with refusals(), transaction.atomic():
            models = self._added(registry, _told(options["file"]))
        if options["json"]:
            self.print_json([{"id": model.public_id, "key": model.key, "name": model.name} for model in models])
        for model in models if not options["json"] else ():
            self.console.print(f"Added {model.public_id} to {registry}.")

    def _added(self, registry: Registry, told: Any) -> list[LanguageModel]:
        """The models of the file; what is wrong with one of a list is said with its place."""
        if isinstance(told, dict):
            return [self._add(registry, told)]
        models = []
        for number, fields in enumerate(told):
            place = f"models[{number}]"
            try:
                models.append(self._add(registry, fields, place))
            except Unreadable as error:
                raise Unreadable([Fault(_inside(fault.place, place), fault.text) for fault in error.faults]) from error
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error
        return models

    def _add(self, registry: Registry, fields: dict[str, Any], place: str = "") -> LanguageModel:
        faults = Faults()
        model = editing.add_custom(registry, fields, faults=faults)
        for warning in faults.warnings:
            self.warn(_inside(warning, place))
        return model


def _inside(text: str, place: str) -> str:
    """A place (and what follows it) in the only model of a document, as one of the file."""
    _, inner = _MODEL.split(text, 1) if _MODEL.match(text) else ("", text)
    return f"{place}{inner}" if place else inner.lstrip(".")


def _told(file: str) -> Any:
    """The JSON object or list of objects in the file."""
    try:
        told = strict_json.loads(bytes_of(file))
    except ValueError as error:
        raise wrong_usage(f"{file} cannot be used: {error}.") from error
    objects = told if isinstance(told, list) else [told]
    if not objects or not all(isinstance(each, dict) for each in objects):
        raise wrong_usage(f"{file} must hold a JSON object with the fields of a model, or a list of them.")
    return told
