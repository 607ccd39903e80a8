"""Shows everything about one model."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from registry import contents
from registry.documents.native import native_model
from registry.management.base import OwnCommand, add_registry_option, model_named, registry_named
from registry.models import LanguageModel


class Command(OwnCommand):
    help = "Shows everything about one model."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="key, server/key or server/key@variant")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        facts = everything_about(model_named(options["model"], registry_named(options["registry"])))
        if options["json"]:
            self.print_json(facts)
            return
        table = Table(show_header=False, box=None)
        for name, value in _flat(facts):
            table.add_row(name, _shown(value))
        self.console.print(table)


def everything_about(model: LanguageModel) -> dict[str, Any]:
    """The native structure of one model, and beside it what is true only now or only here."""
    alone = LanguageModel.objects.filter(pk=model.pk)
    content = contents.content_of(model.registry, models=alone, live=True)
    ((identity, fields),) = content.models.items()
    told = native_model(model.public_id, identity, fields, content.servers.get(identity.server, {}))
    groups = model.groups.order_by("name").values_list("name", flat=True)
    return told | {
        "test_status": model.test_status,
        "state": model.state,
        "last_seen": model.last_seen,
        "groups": list(groups),
        "tag_details": [
            {"name": tag.name, "family": tag.family, "reason": tag.reason or None} for tag in model.tags.all()
        ],
        "instances": [
            {"id": copy.instance_id, "context_length": copy.context_length, **copy.options}
            for copy in model.instances.all()
        ],
    }


def _flat(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += [(inner.replace("_", " "), held) for inner, held in value.items()]
        else:
            rows.append((name.replace("_", " "), value))
    return rows


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, list):
        return ", ".join(_one(item) for item in value) or "none"
    return str(value)


def _one(item: Any) -> str:
    if isinstance(item, dict):
        return " ".join(f"{name}={value}" for name, value in item.items())
    return str(item)
