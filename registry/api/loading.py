"""Loads and unloads over REST; each answers the job that does it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from ninja import Router, Status
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from registry import editing, grouping, loading
from registry.api.access import Request, operation
from registry.api.fields import Body, Id, Text
from registry.api.groups import group_named
from registry.api.jobs import Started, started
from registry.api.lists import found
from registry.api.problems import conflicts
from registry.models import Instance, LanguageModel, Role, Server
from registry.models.registry import DEFAULT

of_models = Router(tags=["memory"])
of_groups = Router(tags=["memory"])

Count = Annotated[int | None, Field(ge=1, le=65_536)]


class LoadBody(Body):
    """How to load; what is left out is up to the server. LM Studio's own names of the fields are understood, too."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    context: Annotated[
        int | None,
        Field(ge=1, le=2**24, validation_alias=AliasChoices("context", "context_length"), description="tokens"),
    ] = None
    flash_attention: bool | None = None
    kv_offload: Annotated[
        bool | None,
        Field(
            validation_alias=AliasChoices("kv_offload", "offload_kv_cache_to_gpu"), description="KV cache on the GPU"
        ),
    ] = None
    batch: Annotated[Count, Field(validation_alias=AliasChoices("batch", "eval_batch_size"))] = None
    num_experts: Annotated[int | None, Field(ge=1, le=1024)] = None

    def how(self) -> dict[str, Any]:
        """As `loading.enqueue_load` takes it."""
        return {"context": self.context, "options": self.model_dump(exclude={"context"}, exclude_none=True)}


class UnloadBody(Body):
    """`instance`: only this copy; `force`: also under requests in flight, which are cut off."""

    instance: Text = ""
    force: bool = False


class UnloadAllBody(Body):
    """`server`: its id; left out: every enabled one."""

    server: Id | None = None
    force: bool = False


class GroupUnloadBody(Body):
    """`force`: also under requests in flight, which are cut off."""

    force: bool = False


class PinBody(Body):
    """`pinned`: whether the memory policy is to leave the models in memory."""

    pinned: bool = True


class Pinned(BaseModel):
    """How many models changed in that."""

    models: int


# a request may come without a body
LOAD, UNLOAD, UNLOAD_ALL, UNLOAD_GROUP, PIN = LoadBody(), UnloadBody(), UnloadAllBody(), GroupUnloadBody(), PinBody()


class CopyShape(BaseModel):
    """A loaded copy: `asked` is the wish, `context_length` and `options` are in force, `drift` tells the difference."""

    id: str
    server: int
    context_length: int | None
    options: dict[str, Any]
    loaded_by: str
    asked: dict[str, Any]
    drift: str | None
    memory_bytes: int | None
    first_seen: datetime
    last_used: datetime | None
    draining: bool

    @classmethod
    def of(cls, copy: Instance) -> CopyShape:
        names = ("context_length", "options", "loaded_by", "asked", "memory_bytes", "first_seen", "last_used")
        own: dict[str, Any] = {name: getattr(copy, name) for name in names}
        beside: dict[str, Any] = {"id": copy.instance_id, "server": copy.server_id, "drift": copy.drift or None}
        return cls(**own, **beside, draining=copy.draining is not None)


@operation(of_models.get, "/{int:id}/instances", role=Role.VIEWER, answers=list[CopyShape])
def list_copies(request: Request, id: Id) -> list[CopyShape]:
    """The ledger: the loaded copies of a model, with what was asked for and what is in force."""
    model = found(LanguageModel.objects.all(), "model", pk=id)
    return [CopyShape.of(copy) for copy in model.instances.order_by("first_seen", "pk")]


@operation(of_models.post, "/{int:id}/load", role=Role.OPERATOR, answers=Started, status=202, also=(409,))
def load_model(request: Request, id: Id, body: LoadBody = LOAD) -> Status[Started]:
    """Loads a model; one that is loaded and serves stays as it is, and there is never a second copy of it."""
    model = found(LanguageModel.objects.select_related("server"), "model", pk=id)
    with conflicts():
        return started(loading.enqueue_load([model], **body.how()))


@operation(of_models.post, "/{int:id}/unload", role=Role.OPERATOR, answers=Started, status=202, also=(409,))
def unload_model(request: Request, id: Id, body: UnloadBody = UNLOAD) -> Status[Started]:
    """Takes a model out of memory, once the requests in flight there are done."""
    model = found(LanguageModel.objects.all(), "model", pk=id)
    with conflicts():
        return started(loading.enqueue_unload([model], instance=body.instance, force=body.force))


@operation(of_models.post, "/unload-all", role=Role.OPERATOR, answers=Started, status=202, also=(404, 409))
def unload_all(request: Request, body: UnloadAllBody = UNLOAD_ALL) -> Status[Started]:
    """Takes everything out of memory, on one server or on all."""
    server = found(Server.objects.all(), "server", pk=body.server) if body.server else None
    with conflicts():
        return started(loading.enqueue_unload_all(server, force=body.force))


@operation(of_groups.post, "/{path:name}/load", role=Role.OPERATOR, answers=Started, status=202, also=(409,))
def load_group(request: Request, name: Text, registry: Text = DEFAULT, body: LoadBody = LOAD) -> Status[Started]:
    """Loads the models of a group, in its order."""
    models = grouping.models_of(group_named(registry, name)).select_related("server")
    with conflicts():
        return started(loading.enqueue_load(list(models), **body.how()))


@operation(of_groups.post, "/{path:name}/unload", role=Role.OPERATOR, answers=Started, status=202, also=(409,))
def unload_group(
    request: Request, name: Text, registry: Text = DEFAULT, body: GroupUnloadBody = UNLOAD_GROUP
) -> Status[Started]:
    """Takes the models of a group out of memory."""
    models = list(grouping.models_of(group_named(registry, name)))
    with conflicts():
        return started(loading.enqueue_unload(models, force=body.force))


@operation(of_groups.post, "/{path:name}/pin", role=Role.OPERATOR, answers=Pinned, also=(409,))
def pin_group(request: Request, name: Text, registry: Text = DEFAULT, body: PinBody = PIN) -> Pinned:
    """Keeps the models of a group in memory, or no longer; for one model: `PATCH /models/{id}` with `pinned`."""
    models = grouping.models_of(group_named(registry, name)).select_related("registry")
    return Pinned(models=editing.set_pinned(models, body.pinned))
