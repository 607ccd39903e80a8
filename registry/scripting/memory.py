"""The memory policy in the hands of a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import memory_policies
from registry.models import Server


class MemorySettings:
    """The guide's method for it; the policy belongs to servers, whatever the registry."""

    def configure_memory_management(self, policy: Mapping[str, Any], server: str | None = None) -> None:
        """Changes the memory policy and switches it on (unless `enabled` is False): of one server by its name, else
        of all that have none of their own.

        Keys: auto_unload_inactive, inactive_timeout_minutes, memory_threshold_percent, max_loaded_models (None: any);
        also include_others, enabled. ValueError names the allowed ones for any other.
        """
        fields = {"enabled": True} | {str(name): value for name, value in policy.items()}
        memory_policies.save_policy(_server(server) if server is not None else None, **fields)


def _server(name: str) -> Server:
    if found := Server.objects.named(name):
        return found
    known = ", ".join(Server.objects.values_list("name", flat=True)[:20]) or "none yet"
    raise ValueError(f"There is no server named {name}; there is {known}.")
