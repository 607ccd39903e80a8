"""`lmstrix doctor`: what is wrong and what to do about it."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lmstrix_site.doctor import BAD, OK, WARN, Finding, examine

STYLES = {OK: "green", WARN: "yellow", BAD: "bold red"}


class Command(BaseCommand):
    help = "Looks at everything LMStrix needs; says what is wrong and what to do. Exit 1 when something is bad."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = list(examine())
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        elif self.stdout.isatty():
            Console().print(_table(findings))
        else:
            for finding in findings:
                remedy = f" -> {finding.remedy}" if finding.remedy else ""
                self.stdout.write(f"{finding.level:<5}{finding.area}: {finding.text}{remedy}")
        if any(finding.level == BAD for finding in findings):
            sys.exit(1)


def _table(findings: list[Finding]) -> Table:
    table = Table("", "what", "how it is", "what to do", box=None, pad_edge=False)
    for finding in findings:
        level = f"[{STYLES[finding.level]}]{finding.level}[/]"
        table.add_row(level, escape(finding.area), escape(finding.text), escape(finding.remedy))
    return table
