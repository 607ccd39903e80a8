"""`lmstrix profile create|delete|list|show|resolve`: which model to take for a purpose."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from registry import profiling, resolving, sizes
from registry.management.base import FAILED, OwnCommand, registry_named
from registry.management.subcommands import action, actions, refusals
from registry.models import Profile, Registry
from registry.resolving import Resolution
from registry.sizes import plain
from registry.weighing import asked_for

REASONS_SHOWN = 20
FIELDS = (
    "description", "preferred_models", "max_context", "temperature", "needs", "min_tested_context",
    "min_tokens_per_second", "max_memory_bytes", "tags", "servers",
)  # fmt: skip


class Command(OwnCommand):
    help = "Keeps profiles, and finds the model that one means now."

    def add_arguments(self, parser: CommandParser) -> None:
        group = actions(parser, "create|delete|list|show|resolve")
        create = action(group, "create", "make a profile, or change what is given of one")
        create.add_argument("name", metavar="PROFILE")
        _add_fields(create)
        action(group, "delete", "delete a profile; models stay").add_argument("name", metavar="PROFILE")
        action(group, "list", "all profiles")
        action(group, "show", "what a profile asks for").add_argument("name", metavar="PROFILE")
        resolve = action(group, "resolve", "the model it means now, and why no other; exit 1 when there is none")
        resolve.add_argument("name", metavar="PROFILE")
        resolve.add_argument("--all", action="store_true", help=f"all reasons, not the first {REASONS_SHOWN}")

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        with refusals():
            getattr(self, f"_{options['action']}")(registry, options)

    def _create(self, registry: Registry, options: dict[str, Any]) -> None:
        known = _is_there(registry, options["name"])
        profile = profiling.save_profile(registry, options["name"], **_given(options))
        if not options["json"]:
            self.console.print(f"{profile}: {'changed' if known else 'made'}")
        self._print(profile, options["json"])
        for name in resolving.resolve(profile).unknown:
            self.warn(f"{name} is preferred, but no model has this id.")

    def _delete(self, registry: Registry, options: dict[str, Any]) -> None:
        profile = profiling.profile_named(registry, options["name"])
        profiling.delete_profile(profile)
        if options["json"]:
            self.print_json({"deleted": profile.name})
        else:
            self.console.print(f"{profile}: deleted")

    def _list(self, registry: Registry, options: dict[str, Any]) -> None:
        profiles = list(registry.profiles.all())
        if options["json"]:
            self.print_json([_as_dict(profile) for profile in profiles])
        elif not profiles:
            self.console.print("No profiles yet. `lmstrix profile create NAME --prefer MODEL...` makes one.")
        else:
            table = Table("Profile", "Prefers", "Asks for", "Description", box=None)
            for profile in profiles:
                preferred = ", ".join(profile.preferred_models) or "–"
                table.add_row(profile.name, preferred, asked_for(profile) or "nothing", profile.description)
            self.console.print(table)

    def _show(self, registry: Registry, options: dict[str, Any]) -> None:
        self._print(profiling.profile_named(registry, options["name"]), options["json"])

    def _print(self, profile: Profile, as_json: bool) -> None:
        if as_json:
            self.print_json(_as_dict(profile))
            return
        table = Table(show_header=False, box=None)
        for name, value in _as_dict(profile).items():
            table.add_row(name.replace("_", " "), _shown(name, value))
        self.console.print(table)

    def _resolve(self, registry: Registry, options: dict[str, Any]) -> None:
        found = resolving.resolve(profiling.profile_named(registry, options["name"]))
        shown = len(found.passed_over) if options["all"] else REASONS_SHOWN
        if options["json"]:
            self.print_json(found.told(shown))
        else:
            self._explain(found, shown)
        if found.model is None:
            raise SystemExit(FAILED)

    def _explain(self, found: Resolution, shown: int) -> None:
        self.console.print(f"{found.sentence}. {found.why}".rstrip())
        if found.warning:
            self.console.print(f"Warning: {found.warning}")
        for name in found.unknown:
            self.console.print(f"{name} is preferred, but no model has this id.")
        table = Table("Passed over", "Server", "Why", box=None)
        for each in found.passed_over[:shown]:
            table.add_row(each.model.public_id, str(each.model.server or "–"), each.reason)
        if found.passed_over:
            self.console.print(table)
        if len(found.passed_over) > shown:
            counts = ", ".join(f"{kind} {count:,}" for kind, count in found.kinds)
            self.console.print(f"{len(found.passed_over):,} in all: {counts}")


def _is_there(registry: Registry, name: str) -> bool:
    try:
        profiling.profile_named(registry, name)
    except ValueError:
        return False
    return True


def _add_fields(parser: CommandParser) -> None:
    several: dict[str, Any] = {"nargs": "+", "default": None}
    parser.add_argument("--prefer", dest="preferred_models", metavar="MODEL", help="ids, best first", **several)
    parser.add_argument("--description")
    parser.add_argument("--max-context", metavar="N", help="tokens that a request may take: 16k")
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--needs", metavar="WHAT", help="tools, vision, reasoning", **several)
    parser.add_argument("--min-context", dest="min_tested_context", metavar="N", help="verified tokens: 32k")
    parser.add_argument("--min-speed", dest="min_tokens_per_second", type=float, metavar="N", help="tokens/s")
    parser.add_argument("--max-memory", dest="max_memory_bytes", metavar="SIZE", help="12GB, 8GiB")
    parser.add_argument("--tag", dest="tags", metavar="TAG", help="all of these", **several)
    parser.add_argument("--server", dest="servers", metavar="NAME", help="one of these", **several)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The fields that were given, sizes as numbers."""
    given = {name: options[name] for name in FIELDS if options[name] is not None}
    for name, read in (
        ("max_context", sizes.tokens_of), ("min_tested_context", sizes.tokens_of), ("max_memory_bytes", sizes.bytes_of),
    ):  # fmt: skip
        if name in given:
            given[name] = read(given[name])
    if "needs" in given:
        given["needs"] = [need for text in given["needs"] for need in text.split(",")]
    return given


def _as_dict(profile: Profile) -> dict[str, Any]:
    return {"name": profile.name} | {name: getattr(profile, name) for name in FIELDS}


def _shown(name: str, value: Any) -> str:
    if name == "max_memory_bytes" and value:
        return plain(value)
    if isinstance(value, list):
        return ", ".join(value) or "–"
    return f"{value:,}" if isinstance(value, int) else str(value if value not in (None, "") else "–")
