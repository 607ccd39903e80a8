"""`lmstrix tag add|remove|apply|list|rename|delete`: labels on models."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from registry import filtering, tagging
from registry.management.base import OwnCommand, model_named, registry_named, wrong_usage
from registry.management.subcommands import action, actions, refusals
from registry.models import LanguageModel, Registry


class Command(OwnCommand):
    help = "Tags models, and shows which tags there are."

    def add_arguments(self, parser: CommandParser) -> None:
        group = actions(parser, "add|remove|apply|list|rename|delete")
        for name, text in (("add", "put tags on a model"), ("remove", "take tags of yours off a model")):
            one = action(group, name, text)
            one.add_argument("model", metavar="MODEL", help="key, server/key or server/key@variant")
            one.add_argument("tags", nargs="+", metavar="TAG")
        many = action(group, "apply", "put tags on all models that match, or take them off")
        which = many.add_mutually_exclusive_group()
        which.add_argument("--filter", default="", metavar="EXPR", help="as in `lmstrix list`")
        which.add_argument("--all", action="store_true", help="every model of the registry")
        many.add_argument("--add", nargs="+", default=[], metavar="TAG")
        many.add_argument("--remove", nargs="+", default=[], metavar="TAG")
        listing = action(group, "list", "the tags of the registry, or of one model with their reasons")
        listing.add_argument("model", nargs="?", metavar="MODEL")
        rename = action(group, "rename", "give a tag of yours another name on all models")
        rename.add_argument("tag", metavar="TAG")
        rename.add_argument("name", metavar="NAME")
        delete = action(group, "delete", "take a tag of yours off all models")
        delete.add_argument("tag", metavar="TAG")

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        with refusals():
            getattr(self, f"_{options['action']}")(registry, options)

    def _add(self, registry: Registry, options: dict[str, Any]) -> None:
        model = model_named(options["model"], registry)
        self._told([model], added=tagging.add_tags([model], options["tags"]), as_json=options["json"])

    def _remove(self, registry: Registry, options: dict[str, Any]) -> None:
        model = model_named(options["model"], registry)
        self._told([model], removed=tagging.remove_tags([model], options["tags"]), as_json=options["json"])

    def _apply(self, registry: Registry, options: dict[str, Any]) -> None:
        if not options["add"] and not options["remove"]:
            raise wrong_usage("Say what to do: --add TAG... or --remove TAG...")
        if not options["filter"].strip() and not options["all"]:
            raise wrong_usage("Say which models: --filter EXPR, or --all for every model of the registry.")
        models = list(filtering.filtered(registry.models.all(), options["filter"]))
        added = tagging.add_tags(models, options["add"]) if options["add"] else 0
        removed = tagging.remove_tags(models, options["remove"]) if options["remove"] else 0
        self._told(models, added, removed, as_json=options["json"])

    def _told(self, models: list[LanguageModel], added: int = 0, removed: int = 0, *, as_json: bool) -> None:
        if as_json:
            self.print_json({"models": len(models), "added": added, "removed": removed})
            return
        whose = models[0].public_id if len(models) == 1 else f"{len(models):,} models"
        done = [f"{count:,} {word}" for count, word in ((added, "added"), (removed, "removed")) if count]
        self.console.print(f"{whose}: {', '.join(done) or 'nothing to change'}")

    def _list(self, registry: Registry, options: dict[str, Any]) -> None:
        if options["model"]:
            tags = model_named(options["model"], registry).tags.order_by("family", "name")
            rows: list[dict[str, Any]] = [
                {"name": tag.name, "family": tag.family, "reason": tag.reason} for tag in tags
            ]
        else:
            rows = [tag._asdict() for tag in tagging.tags_of(registry)]
        if options["json"]:
            self.print_json(rows)
        elif not rows:
            self.console.print("No tags yet. `lmstrix tag add MODEL TAG` adds one; a scan derives the automatic ones.")
        else:
            table = Table("Tag", "Family", "Reason" if options["model"] else "Models", box=None)
            for row in rows:
                table.add_row(row["name"], row["family"], str(row["reason"] if options["model"] else row["models"]))
            self.console.print(table)

    def _rename(self, registry: Registry, options: dict[str, Any]) -> None:
        count = tagging.rename_tag(registry, options["tag"], options["name"])
        self._changed(count, f"{options['tag']} is now {options['name']}", options["json"])

    def _delete(self, registry: Registry, options: dict[str, Any]) -> None:
        count = tagging.delete_tag(registry, options["tag"])
        self._changed(count, f"{options['tag']} is taken off", options["json"])

    def _changed(self, count: int, done: str, as_json: bool) -> None:
        if as_json:
            self.print_json({"models": count})
        else:
            self.console.print(f"{done}: {count:,} model{'' if count == 1 else 's'}")
