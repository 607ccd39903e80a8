"""Shows how much memory servers have, what models take there, and what the memory policy would do now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from registry import evicting, memory_policies, memory_use
from registry.evicting import Eviction
from registry.management.base import OwnCommand, server_named, wrong_usage
from registry.memory_use import Amounts, Memory
from registry.models import MemoryPolicy, Server
from registry.sizes import plain


class Command(OwnCommand):
    help = "Shows the memory of servers, what each loaded model takes, and what the memory policy would unload now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--server", metavar="NAME|URL", help="only this server (default: all that are enabled)")

    def handle(self, *args: Any, **options: Any) -> None:
        servers = _asked(options["server"])
        rows = [_row(memory_use.memory_of(server)) for server in servers]
        together = memory_use.summed([memory for memory, _, _ in rows])
        if options["json"]:
            self.print_json(_amounts(together) | {"servers": [_as_dict(*row) for row in rows]})
            return
        if not rows:
            self.console.print("No server is enabled; add one with `lmstrix scan --server http://HOST:1234`.")
        for memory, policy, evictions in rows:
            self._server(memory, policy, evictions)
        if len(rows) > 1:
            self.console.print(f"Together: {_told(together)}")

    def _server(self, memory: Memory, policy: MemoryPolicy, evictions: list[Eviction]) -> None:
        self.console.print(f"{memory.server.name}: {_told(memory)}")
        if memory.instances:
            table = Table("  Instance", "Model", "Context", "Memory", "Known", box=None)
            for taken in memory.instances:
                copy = taken.instance
                context = f"{copy.context_length:,}" if copy.context_length else "unknown"
                amount = plain(taken.bytes) if taken.bytes is not None else "unknown"
                known = ", ".join(filter(None, [taken.how, "pinned" if taken.copy.pinned else ""]))
                table.add_row(f"  {copy.instance_id}", copy.model.key, context, amount, known)
            self.console.print(table)
        on = "is switched on" if policy.enabled else "is switched off"
        self.console.print(f"  The memory policy ({memory_policies.in_words(policy)}) {on}.")
        verb = "Now it unloads" if policy.enabled else "Switched on, it would unload now"
        for eviction in evictions:
            self.console.print(f"  {verb} {eviction.instance}: {eviction.reason}")
        if not evictions:
            self.console.print(f"  {verb} nothing.")


def _asked(name: str | None) -> list[Server]:
    if name is None:
        return list(Server.objects.enabled().order_by("name"))
    if found := server_named(name):
        return [found]
    known = ", ".join(Server.objects.values_list("name", flat=True)[:20]) or "none yet"
    raise wrong_usage(f"There is no server named {name}; there is {known}.")


def _row(memory: Memory) -> tuple[Memory, MemoryPolicy, list[Eviction]]:
    policy = memory_policies.policy_of(memory.server)
    return memory, policy, evicting.would(memory.server, policy, memory)


def _told(memory: Amounts) -> str:
    if memory.used_bytes is None:
        of = f", {plain(memory.total_bytes)} declared" if memory.total_bytes else ""
        return f"memory in use is unknown{of}"
    if memory.total_bytes is None:
        return f"{plain(memory.used_bytes)} used, how much there is is unknown ({memory.source})"
    free = f", {plain(memory.available_bytes)} available" if memory.available_bytes is not None else ""
    return f"{plain(memory.used_bytes)} of {plain(memory.total_bytes)} used{free} ({memory.source})"


def _amounts(memory: Amounts) -> dict[str, Any]:
    names = ("total_bytes", "used_bytes", "available_bytes")
    return {name: getattr(memory, name) for name in names} | {"source": str(memory.source)}


def _as_dict(memory: Memory, policy: MemoryPolicy, evictions: list[Eviction]) -> dict[str, Any]:
    return {
        "server": memory.server.name,
        **_amounts(memory),
        "instances": [
            {
                "instance": taken.instance.instance_id, "model": taken.instance.model.key,
                "context_length": taken.instance.context_length, "bytes": taken.bytes, "source": str(taken.source),
                "how": taken.how, "pinned": taken.copy.pinned,
            }
            for taken in memory.instances
        ],
        "policy": {name: getattr(policy, name) for name in memory_policies.FIELDS},
        "would_unload": [
            {"instance": one.instance.instance_id, "reason": one.reason, "frees_bytes": one.bytes} for one in evictions
        ],
    }  # fmt: skip
