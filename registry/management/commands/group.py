"""`lmstrix group create|add|remove|delete|list|show`: ordered sets of models."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count
from rich.table import Table

from registry import grouping
from registry.management.base import OwnCommand, model_named, registry_named
from registry.management.subcommands import action, actions, refusals
from registry.models import Group, LanguageModel, Registry


class Command(OwnCommand):
    help = "Groups models, on any servers, in an order."

    def add_arguments(self, parser: CommandParser) -> None:
        group = actions(parser, "create|add|remove|edit|delete|list|show")
        self._with_models(action(group, "create", "make a group"), "*").add_argument("--description", default="")
        self._with_models(action(group, "add", "put models at its end"), "+")
        self._with_models(action(group, "remove", "take models out of it"), "+")
        edit = action(group, "edit", "give it another name or description")
        edit.add_argument("name", metavar="GROUP")
        edit.add_argument("--name", dest="new_name", metavar="NAME")
        edit.add_argument("--description")
        action(group, "delete", "delete it; its models stay").add_argument("name", metavar="GROUP")
        action(group, "list", "all groups")
        action(group, "show", "its models, in their order").add_argument("name", metavar="GROUP")

    def _with_models(self, parser: CommandParser, count: str) -> CommandParser:
        parser.add_argument("name", metavar="GROUP")
        parser.add_argument("models", nargs=count, metavar="MODEL", help="key, server/key or server/key@variant")
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        with refusals():
            getattr(self, f"_{options['action']}")(registry, options)

    def _create(self, registry: Registry, options: dict[str, Any]) -> None:
        models = _models(registry, options)
        group = grouping.create_group(registry, options["name"], models, options["description"])
        self._told(group, "made", options["json"])

    def _add(self, registry: Registry, options: dict[str, Any]) -> None:
        group = grouping.group_named(registry, options["name"])
        count = grouping.add_to_group(group, _models(registry, options))
        self._told(group, f"{count:,} added", options["json"])

    def _remove(self, registry: Registry, options: dict[str, Any]) -> None:
        group = grouping.group_named(registry, options["name"])
        count = grouping.remove_from_group(group, _models(registry, options))
        self._told(group, f"{count:,} taken out", options["json"])

    def _edit(self, registry: Registry, options: dict[str, Any]) -> None:
        group = grouping.group_named(registry, options["name"])
        grouping.edit_group(group, name=options["new_name"], description=options["description"])
        self._told(group, "saved", options["json"])

    def _delete(self, registry: Registry, options: dict[str, Any]) -> None:
        group = grouping.group_named(registry, options["name"])
        grouping.delete_group(group)
        if options["json"]:
            self.print_json({"deleted": group.name})
        else:
            self.console.print(f"{group}: deleted; its models stay")

    def _told(self, group: Group, done: str, as_json: bool) -> None:
        if as_json:
            self.print_json(_as_dict(group))
        else:
            count = group.members.count()
            self.console.print(f"{group}: {done}; {count:,} model{'' if count == 1 else 's'}")

    def _list(self, registry: Registry, options: dict[str, Any]) -> None:
        groups = registry.groups.annotate(count=Count("members")).order_by("name")
        if options["json"]:
            rows = groups.values("name", "description", "count")
            self.print_json([{"name": row["name"], "description": row["description"], "models": row["count"]}
                             for row in rows])  # fmt: skip
        elif not groups:
            self.console.print("No groups yet. `lmstrix group create NAME MODEL...` makes one.")
        else:
            table = Table("Group", "Models", "Description", box=None)
            for group in groups:
                table.add_row(group.name, f"{group.count:,}", group.description)
            self.console.print(table)

    def _show(self, registry: Registry, options: dict[str, Any]) -> None:
        group = grouping.group_named(registry, options["name"])
        if options["json"]:
            self.print_json(_as_dict(group))
            return
        table = Table("", "Model", "Server", "Tested", "Status", box=None, title=group.description or None)
        for place, model in enumerate(grouping.models_of(group).for_list(), 1):
            tested = f"{model.tested_context:,}" if model.tested_context else "–"
            status = "missing" if model.missing else "stale" if model.stale else model.test_status
            table.add_row(str(place), model.public_id, model.server.name if model.server else "–", tested, status)
        self.console.print(table)


def _models(registry: Registry, options: dict[str, Any]) -> list[LanguageModel]:
    return [model_named(name, registry) for name in dict.fromkeys(options["models"])]


def _as_dict(group: Group) -> dict[str, Any]:
    models = [model.public_id for model in grouping.models_of(group).for_list()]
    return {"name": group.name, "description": group.description, "models": models}
