"""Shows what is loaded on every server now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from rich.table import Table

from registry import scanning, sealing
from registry.lmstudio.errors import LMStudioError
from registry.management.base import UNREACHABLE, OwnCommand, wrong_usage
from registry.models import Server


class Command(OwnCommand):
    help = "Shows the loaded instances of every server, as the servers say it now."

    def handle(self, *args: Any, **options: Any) -> None:
        servers = list(Server.objects.enabled())
        if not servers:
            raise wrong_usage("There is no server yet; add one with `lmstrix scan --server http://HOST:1234`.")
        rows, faults = [], []
        for server in servers:
            try:
                listing = scanning.look(server)
            except (LMStudioError, sealing.Unreadable) as error:
                faults.append(str(error))
                continue
            rows += [
                {"server": server.name, "model": model.key, "instance": copy.id, "context_length": copy.context_length}
                for model in listing.models
                for copy in model.instances
            ]
        self._print(rows, options["json"])
        if faults:
            raise CommandError("\n".join(faults), returncode=UNREACHABLE)

    def _print(self, rows: list[dict[str, Any]], as_json: bool) -> None:
        if as_json:
            self.print_json(rows)
        elif not rows:
            self.console.print("Nothing is loaded.")
        else:
            table = Table("Instance", "Model", "Server", "Context", box=None)
            for row in rows:
                context = f"{row['context_length']:,}" if row["context_length"] else "unknown"
                table.add_row(row["instance"], row["model"], row["server"], context)
            self.console.print(table)
