"""Memory of servers and the policies that keep it free, over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from registry import copies, evicting, memory_policies, memory_use
from registry.api.access import Request, operation
from registry.api.fields import Body, Id
from registry.api.lists import found
from registry.evicting import Eviction
from registry.memory_use import Memory, Source, Taken
from registry.models import MemoryPolicy, Role, Server

router = Router(tags=["memory"])
of_servers = Router(tags=["memory"])


class CopyInMemory(BaseModel):
    """A loaded copy; `source` says how its bytes are known: measured, estimated or unknown."""

    id: str
    model: str
    context_length: int | None
    bytes: int | None
    source: Source
    how: str
    loaded_by: str
    pinned: bool
    in_flight: int
    last_used: datetime | None

    @classmethod
    def of(cls, taken: Taken, uses: copies.Uses) -> CopyInMemory:
        copy = taken.copy
        return cls(
            id=copy.instance_id, model=copy.instance.model.key, context_length=copy.instance.context_length,
            bytes=taken.bytes, source=taken.source, how=taken.how, loaded_by=copy.loaded_by, pinned=copy.pinned,
            in_flight=uses.in_flight.get(copy.key, 0), last_used=copy.used(uses),
        )  # fmt: skip


class EvictionShape(BaseModel):
    """What the policy would unload now, and why."""

    server: int
    instance: str
    model: str
    reason: str
    frees_bytes: int | None

    @classmethod
    def of(cls, eviction: Eviction) -> EvictionShape:
        of = eviction.instance
        return cls(
            server=of.server_id, instance=of.instance_id, model=of.model.key, reason=eviction.reason,
            frees_bytes=eviction.bytes,
        )  # fmt: skip


class ServerMemory(BaseModel):
    """The memory of one server; null means unknown. `would_unload`: whether the policy is switched on or not."""

    server: int
    name: str
    total_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    source: Source
    policy_enabled: bool
    instances: list[CopyInMemory]
    would_unload: list[EvictionShape]

    @classmethod
    def of(cls, memory: Memory, uses: copies.Uses) -> ServerMemory:
        policy = memory_policies.policy_of(memory.server)
        return cls(
            server=memory.server.pk, name=memory.server.name, total_bytes=memory.total_bytes,
            used_bytes=memory.used_bytes, available_bytes=memory.available_bytes, source=memory.source,
            policy_enabled=policy.enabled, instances=[CopyInMemory.of(taken, uses) for taken in memory.instances],
            would_unload=[EvictionShape.of(one) for one in evicting.would(memory.server, policy, memory)],
        )  # fmt: skip


class AllMemory(BaseModel):
    """The memory of all enabled servers together and one by one; what is unknown is left out of the sums."""

    total_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    source: Source
    servers: list[ServerMemory]


class Whose(BaseModel):
    """A server by its id; without one it is about the default."""

    server: Id | None = None


class Owned(BaseModel):
    """A server by its id."""

    server: Id


class PolicyShape(BaseModel):
    """A memory policy; `own` says whether the server has one of its own, else it is the default's."""

    server: int | None
    own: bool
    enabled: bool
    auto_unload_inactive: bool
    inactive_timeout_minutes: int
    memory_threshold_percent: int | None
    max_loaded_models: int | None
    include_others: bool

    @classmethod
    def of(cls, server: Server | None, policy: MemoryPolicy) -> PolicyShape:
        told = {name: getattr(policy, name) for name in memory_policies.FIELDS}
        return cls(server=server.pk if server else None, own=policy.server_id is not None, **told)


class PolicyChange(Body):
    """What to change; a field left out stays. null: no threshold, any number of models."""

    enabled: bool = False
    auto_unload_inactive: bool = True
    inactive_timeout_minutes: Annotated[int, Field(ge=1, le=525_600)] = 30
    memory_threshold_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    max_loaded_models: Annotated[int, Field(ge=1, le=10_000)] | None = None
    include_others: Annotated[
        bool, Field(description="also what others loaded; whether clients that go to LM Studio use it is not seen")
    ] = False

    def fields(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


@operation(router.get, "", role=Role.VIEWER, answers=AllMemory)
def get_memory(request: Request) -> AllMemory:
    """How much memory there is, what models take, and what the policies would unload now."""
    memories, uses = memory_use.memory_of_all(), copies.uses()
    told = memory_use.summed(memories)
    return AllMemory(
        total_bytes=told.total_bytes, used_bytes=told.used_bytes, available_bytes=told.available_bytes,
        source=told.source, servers=[ServerMemory.of(memory, uses) for memory in memories],
    )  # fmt: skip


@operation(router.get, "/policy", role=Role.VIEWER, answers=PolicyShape, also=(404,))
def get_policy(request: Request, whose: Query[Whose]) -> PolicyShape:
    """The memory policy in force on a server, or the default."""
    server = _server(whose)
    return PolicyShape.of(server, memory_policies.policy_of(server) if server else memory_policies.default_policy())


@operation(router.put, "/policy", role=Role.ADMIN, answers=PolicyShape, also=(404,))
def put_policy(request: Request, whose: Query[Whose], policy: PolicyChange) -> PolicyShape:
    """Changes a policy; a server without its own gets one, with the default's values and switched off."""
    server = _server(whose)
    return PolicyShape.of(server, memory_policies.save_policy(server, **policy.fields()))


@operation(router.delete, "/policy", role=Role.ADMIN, answers=None, status=204, also=(404,))
def delete_policy(request: Request, whose: Query[Owned]) -> Status[None]:
    """Takes a server's own policy away: the default is in force there again."""
    memory_policies.drop_policy(found(Server.objects.all(), "server", pk=whose.server))
    return Status(204, None)


@operation(of_servers.get, "/{int:id}/memory", role=Role.VIEWER, answers=ServerMemory)
def get_server_memory(request: Request, id: Id) -> ServerMemory:
    """The memory of one server and of what is loaded there."""
    return ServerMemory.of(memory_use.memory_of(found(Server.objects.all(), "server", pk=id)), copies.uses())


def _server(whose: Whose) -> Server | None:
    return None if whose.server is None else found(Server.objects.all(), "server", pk=whose.server)
