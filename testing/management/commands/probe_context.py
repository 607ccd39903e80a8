"""Finds the real context window of models (`lmstrix test`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.table import Table

from registry import grouping
from registry.management.base import (
    FAILED,
    UNREACHABLE,
    OwnCommand,
    Worker,
    add_registry_option,
    model_named,
    registry_named,
    this_process,
    wrong_usage,
)
from registry.models import Job, LanguageModel, Registry
from registry.models.job import JobStatus, Runner
from testing import context_testing, planning
from testing.context_testing import Options
from testing.models import ContextTest


class Command(OwnCommand):
    help = "Finds the real context window: loads, fills and reads. Exit 0 when every test reached a verdict."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.prog = parser.prog.replace("lmstrix probe_context", "lmstrix test")  # the name that was typed
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("models", nargs="*", metavar="MODEL", help="key, server/key or server/key@variant")
        parser.add_argument("--all", action="store_true", help="all models that were not tested yet")
        parser.add_argument("--group", metavar="G", help="the models of a group, in its order")
        parser.add_argument("--threshold", type=int, metavar="N", help="never load above N tokens")
        parser.add_argument("--ctx", type=int, metavar="N", help="try this one size only")
        parser.add_argument("--reset", action="store_true", help="forget the earlier result first")
        parser.add_argument("--force", action="store_true", help="load above what the estimate says is safe, too")
        parser.add_argument("--dry-run", action="store_true", help="say what would be tried, load nothing")
        parser.add_argument("--timeout", type=float, default=1800.0, metavar="S", help="for one load or one answer")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        try:
            asked = Options(options["threshold"], options["ctx"], options["force"], options["timeout"])
        except ValueError as error:
            raise wrong_usage(str(error)) from error
        models = self._models(registry, options)
        if not models:
            self.console.print("Every model has been tested; name one to test it again.")
            return None
        if options["dry_run"]:
            return self._plan(models, asked, options["json"])
        try:
            job = context_testing.enqueue(
                models, asked, door="command", runner=Runner.COMMAND, owner=this_process()
            )  # fmt: skip
        except ValueError as error:
            raise wrong_usage(str(error)) from error
        family = list(job.children.all()) or [job]
        if options["reset"]:
            context_testing.forget([test.model for test in ContextTest.objects.filter(job__in=family)])
        Worker(self.console, quiet=options["json"]).do(family)
        return self._report(family, options["json"])

    def _models(self, registry: Registry, options: dict[str, Any]) -> list[LanguageModel]:
        if sum(map(bool, (options["all"], options["models"], options["group"]))) != 1:
            raise wrong_usage("Name models, or use --all for every untested one, or --group for those of a group.")
        if options["all"]:
            return list(context_testing.untested(registry))
        if options["group"]:
            return self._of_group(registry, options["group"])
        return [model_named(name, registry) for name in dict.fromkeys(options["models"])]

    def _of_group(self, registry: Registry, name: str) -> list[LanguageModel]:
        try:
            group = grouping.group_named(registry, name)
        except ValueError as error:
            raise wrong_usage(str(error)) from error
        models = list(grouping.models_of(group).for_list())
        if not models:
            raise wrong_usage(f"Group {group} has no models; `lmstrix group add` puts some in.")
        return models

    def _plan(self, models: Sequence[LanguageModel], asked: Options, as_json: bool) -> None:
        plans = [planning.plan(model, asked) for model in models]
        if as_json:
            return self.print_json(plans)
        for plan in plans:
            self.console.print(f"{plan['model']}: {plan['says']}", markup=False)
        return None

    def _report(self, family: Sequence[Job], as_json: bool) -> None:
        tests = ContextTest.objects.filter(job__in=family).select_related("model__server", "job").order_by("pk")
        if as_json:
            self.print_json([_as_dict(test) for test in tests])
        else:
            self.console.print(_table(list(tests)))
        failed = [test.job for test in tests if test.job and test.job.status != JobStatus.SUCCEEDED]
        if failed:
            gone = any("answer" in job.error or "reach" in job.error for job in failed)
            told = "\n".join(f"{job.title}: {job.error or job.message}" for job in failed)
            raise CommandError(told, returncode=UNREACHABLE if gone else FAILED)


def _table(tests: Sequence[ContextTest]) -> Table:
    table = Table("Model", "Server", "Declared", "Tested", "Verdict", "Recall", "Loads", "Seconds", box=None)
    for test in tests:
        declared, tested = test.model.declared_context, test.tested_context
        table.add_row(
            test.model.key, test.server.name, f"{declared:,}" if declared else "–", f"{tested:,}" if tested else "–",
            test.verdict or (test.job.status if test.job else ""),
            f"{test.recall_found} of {test.recall_asked}" if test.recall_asked else "–",
            str(test.iterations), f"{test.duration:.0f}" if test.duration else "–",
        )  # fmt: skip
    return table


def _as_dict(test: ContextTest) -> dict[str, Any]:
    probes = test.probes.values("order", "kind", "requested", "applied", "verdict", "message", "load_seconds",
                                "answer_seconds", "input_tokens", "peak_memory_bytes")  # fmt: skip
    return {
        "model": test.model.public_id, "server": test.server.name, "status": test.job.status if test.job else None,
        "verdict": test.verdict or None, "declared_context": test.model.declared_context,
        "tested_context": test.tested_context, "iterations": test.iterations, "duration": test.duration,
        "recall_found": test.recall_found, "recall_asked": test.recall_asked, "probes": list(probes),
        "error": test.job.error if test.job and test.job.error else None,
    }  # fmt: skip
