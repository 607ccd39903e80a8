"""Shows what is loaded on every server now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from rich.table import Table

from registry import copies, polling, sealing
from registry.lmstudio.errors import LMStudioError
from registry.lmstudio.wire import Listing
from registry.management.base import UNREACHABLE, OwnCommand, wrong_usage
from registry.models import Server
from registry.models.instance import LoadedBy
from registry.templatetags.figures import duration

BY = {LoadedBy.US: "LMStrix", LoadedBy.GATEWAY: "the gateway", LoadedBy.EXPERIMENT: "a test", LoadedBy.OTHERS: "others"}


class Command(OwnCommand):
    help = "Shows the loaded instances of every server, as the servers say it now, and what LMStrix knows of each."

    def handle(self, *args: Any, **options: Any) -> None:
        servers = list(Server.objects.enabled())
        if not servers:
            raise wrong_usage("There is no server yet; add one with `lmstrix scan --server http://HOST:1234`.")
        rows: list[dict[str, Any]] = []
        faults = []
        for server in servers:
            try:
                listing = polling.look(server)
            except (LMStudioError, sealing.Unreadable) as error:
                faults.append(str(error))
                continue
            rows += _rows(server, listing)
        self._print(rows, options["json"])
        if faults:
            raise CommandError("\n".join(faults), returncode=UNREACHABLE)

    def _print(self, rows: list[dict[str, Any]], as_json: bool) -> None:
        if as_json:
            self.print_json(rows)
        elif not rows:
            self.console.print("Nothing is loaded.")
        else:
            table = Table("Instance", "Model", "Server", "State", "Context", "Loaded by", "Idle", "Drift", box=None)
            for row in rows:
                context = f"{row['context_length']:,}" if row["context_length"] else "unknown"
                idle = duration(row["idle_seconds"]) if row["idle_seconds"] is not None else "unknown"
                told = (row["state"], context, BY[row["loaded_by"]], idle, row["drift"] or "none")
                table.add_row(row["instance"], row["model"], row["server"], *told)
            self.console.print(table)


def _rows(server: Server, listing: Listing) -> Iterator[dict[str, Any]]:
    """Each copy that the server shows; of one whose model no registry has, nothing more is known."""
    known = {copy.instance_id: copy for copy in copies.on(server)}
    uses = copies.uses()
    for model in listing.models:
        for shown in model.instances:
            copy = known.get(shown.id)
            used = (copy.used(uses) or copy.loaded) if copy else None
            yield {
                "server": server.name,
                "model": model.key,
                "instance": shown.id,
                "state": copy.instance.model.state if copy else "loaded",
                "context_length": shown.context_length,
                "loaded_by": copy.loaded_by if copy else LoadedBy.OTHERS,
                "idle_seconds": round((timezone.now() - used).total_seconds(), 1) if used else None,
                "drift": copy.instance.drift if copy else "",
            }
