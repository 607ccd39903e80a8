"""`lmstrix registry ...`: keeps, copies, compares and cleans whole registries."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from registry.exchanging import EXACT, FORMATS
from registry.management import registry_files, registry_names, registry_sides, registry_snapshots, registry_upkeep
from registry.management.base import OwnCommand, registry_named
from registry.management.registry_reports import refusals
from registry.management.subcommands import action, actions
from registry.strategies import ALIASES, PREFER_NEWER, STRATEGIES, UPDATE

ACTIONS = {
    "list": registry_names.registries_known,
    "create": registry_names.create,
    "rename": registry_names.rename,
    "delete": registry_names.delete,
    "stats": registry_upkeep.stats,
    "validate": registry_upkeep.validate,
    "fix": registry_upkeep.fix,
    "cleanup": registry_upkeep.cleanup,
    "compact": registry_upkeep.compact,
    "export": registry_files.export_file,
    "import": registry_files.import_file,
    "backup": registry_snapshots.backup,
    "backups": registry_snapshots.backups,
    "restore": registry_snapshots.restore,
    "merge": registry_snapshots.merge,
    "diff": registry_sides.diff,
    "sync": registry_sides.sync,
}
CHOICES = [*STRATEGIES, *ALIASES]
SIDE = "a registry, a snapshot, a file, or the address of another LMStrix"


class Command(OwnCommand):
    help = "Registries: their names, statistics, upkeep, files, snapshots and comparison."

    def add_arguments(self, parser: CommandParser) -> None:
        group = actions(parser, "|".join(ACTIONS))
        self._names(group)
        action(group, "stats", "the registry in numbers")
        action(group, "validate", "every broken rule, each with its object; exit 1 when there is one")
        _dry_run(action(group, "fix", "mend what can be mended without a decision"))
        cleanup = _dry_run(action(group, "cleanup", "remove what is of no use any more"))
        cleanup.add_argument("--orphans", action="store_true", help="models that no server has any more")
        cleanup.add_argument("--results-older-than", type=int, metavar="DAYS", help="test results, with their tests")
        action(group, "compact", "give back the space that nothing uses")
        self._files(group)
        self._snapshots(group)
        diff = action(group, "diff", "what is different between two sides")
        diff.add_argument("first", metavar="A", help=SIDE)
        diff.add_argument("second", metavar="B", nargs="?", default="", help="the same (default: the registry)")
        sync = _dry_run(action(group, "sync", "bring two sides to the same"))
        sync.add_argument("first", metavar="A", help=SIDE)
        sync.add_argument("second", metavar="B", help="the same")
        sync.add_argument("--results", action="store_true", help="test results travel between hosts, too")
        _strategy(sync, PREFER_NEWER, CHOICES)

    def _names(self, group: Any) -> None:
        action(group, "list", "the registries that there are")
        action(group, "create", "make an empty registry").add_argument("name", metavar="NAME")
        rename = action(group, "rename", "give a registry another name")
        rename.add_argument("name", metavar="OLD")
        rename.add_argument("new", metavar="NEW")
        delete = _dry_run(action(group, "delete", "delete a registry with its models, results and snapshots"))
        delete.add_argument("name", metavar="NAME")

    def _files(self, group: Any) -> None:
        export = action(group, "export", "write the registry as a file")
        export.add_argument("file", metavar="FILE", help="- for the standard output; .gz is packed")
        export.add_argument("--full-metadata", action="store_true", help="with tests and their probes")
        export.add_argument("--filter", default="", metavar="EXPR", help="only these models")
        export.add_argument("--format", "--show", dest="format", choices=list(FORMATS), default="native")
        importing = _dry_run(action(group, "import", "take over a file of any of these formats"))
        importing.add_argument("file", metavar="FILE", help="- for the standard input")
        _strategy(importing, UPDATE, [*CHOICES, EXACT])

    def _snapshots(self, group: Any) -> None:
        backup = action(group, "backup", "take a snapshot")
        backup.add_argument("name", metavar="NAME", nargs="?", default="", help="default: the date")
        action(group, "backups", "the snapshots that there are")
        restore = _dry_run(action(group, "restore", "make the registry what it was"))
        restore.add_argument("source", metavar="NAME|FILE")
        merge = _dry_run(action(group, "merge", "merge a snapshot or a file into the registry"))
        merge.add_argument("source", metavar="NAME|FILE")
        _strategy(merge, UPDATE, CHOICES)

    def handle(self, *args: Any, **options: Any) -> None:
        with refusals():
            registry = registry_named(options["registry"])
            ACTIONS[options["action"]](self, registry, options)


def _dry_run(parser: CommandParser) -> CommandParser:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    return parser


def _strategy(parser: CommandParser, default: str, choices: list[str]) -> None:
    parser.add_argument("--strategy", choices=choices, default=default, help=f"who wins (default: {default})")
