"""Reports what models were asked and how they answered."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from registry import report_files, usage_reports
from registry.management.base import OwnCommand, add_registry_option, registry_named
from registry.management.subcommands import refusals
from registry.templatetags.figures import duration
from registry.usage_figures import Line, Report

SHOWN = 100  # models in the table; the other formats have all


class Command(OwnCommand):
    help = "Reports use and speed of models for a period; days are UTC, both ends are included."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--start", metavar="D", help="first day, such as 2026-01-01 (default: 30 days in all)")
        parser.add_argument("--end", metavar="D", help="last day (default: today)")
        parser.add_argument("--models", metavar="A,B", help="ids of models with commas between them (default: all)")
        parser.add_argument("--format", choices=["table", *report_files.TYPES], default="table")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        names = [name.strip() for name in (options["models"] or "").split(",") if name.strip()] or None
        with refusals():
            registry = registry_named(options["registry"])
            made = usage_reports.report(registry, options["start"], options["end"], names)
        if options["json"]:
            self.print_json(made.as_dict())
        elif options["format"] == "table":
            self._show(made)
        else:
            self.stdout.write(report_files.write(made, options["format"]), ending="")

    def _show(self, report: Report) -> None:
        whole = report.whole
        self.console.print(f"Usage of registry {report.registry}, {report.period} (UTC)")
        if not whole.requests:
            self.console.print("No request was recorded in this time.")
            return
        self.console.print(
            f"Requests: {whole.requests:,} ({_share(whole.success_rate)} answered)   Tokens: {whole.tokens:,}   "
            f"Average: {_time(whole.avg_response)}   p95: {_time(whole.p95)}"
        )
        table = Table("Model", "Server", box=None)
        for name in ("Requests", "Tokens", "Average", "p50", "p95", "p99", "Tokens/s", "Answered"):
            table.add_column(name, justify="right")
        for line in report.lines[:SHOWN]:
            table.add_row(*_cells(line))
        self.console.print(table)
        if len(report.lines) > SHOWN:
            self.console.print(f"{len(report.lines) - SHOWN:,} more; --format csv has all.")


def _cells(line: Line) -> list[str]:
    of = line.of
    speed = "–" if of.tokens_per_second is None else f"{of.tokens_per_second:,.1f}"
    times = [_time(of.avg_response), _time(of.p50), _time(of.p95), _time(of.p99)]
    counts = [f"{of.requests:,}", f"{of.tokens:,}"]
    return [line.named.id or line.named.name, line.named.place or "–", *counts, *times, speed, _share(of.success_rate)]


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else duration(seconds)


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.1f} %"
