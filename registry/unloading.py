"""Takes models out of memory: one loaded copy, all of a model, all of a server; never under a request in flight."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from registry import announcing, asking, auditing, draining, jobs, ledger, pairing, states
from registry.claims import Claim, JobFailed
from registry.lmstudio import errors
from registry.lmstudio.wire import Listing, ReportedModel
from registry.load_lock import LoadBusy, Reserved, loading_on, refuse_reserved
from registry.memory_jobs import MOST, SLOT_SECONDS, enqueue, working_on
from registry.models import Instance, Job, LanguageModel, Server
from registry.models.language_model import State
from registry.models.state_change import Cause

KIND, ALL = "unload", "unload_all"
PATIENCE = 30.0  # seconds that requests in flight may still take
WAIT_SECONDS = 60.0  # for another load or unload on the same server

Look = Callable[[], None] | None


class InUse(ValueError):
    """Requests are in flight there; nothing was changed."""


def unload(
    instance: Instance, *, cause: Cause = Cause.US, reason: str = "", patience: float = PATIENCE, force: bool = False,
    look: Look = None, wait_seconds: float = WAIT_SECONDS,
) -> None:  # fmt: skip
    """Takes one loaded copy out of memory, after the requests in flight there (at most `patience` seconds of them).

    Raises InUse, LoadBusy or Reserved (each says who is in the way), LMStudioError. One that is gone already is fine.
    `force` unloads under requests in flight: these are cut off.
    """
    with loading_on(instance.server, f"unloading {instance}", wait_seconds=wait_seconds, look=look):
        refuse_reserved(instance.server)
        take_out(instance, cause=cause, reason=reason, patience=patience, force=force)


def unload_model(model: LanguageModel, *, only: str = "", **how: Any) -> int:
    """Takes every copy of `model` (or the one with the id `only`) out of memory, as its server shows them now.

    Gives how many there were; `how` as for unload().
    """
    if model.server is None:
        raise ValueError(f"{model.key} is on no server, so it is in nobody's memory.")
    copies = rows_of(model, offer) if (offer := offered(model, asking.listing(model.server, how.get("look")))) else []
    wanted = [copy for copy in copies if only in ("", copy.instance_id)]
    for copy in wanted:
        unload(copy, **how)
    if not copies and model.state in (State.LOADED, State.ACTIVE, State.ERROR):
        states.change(model, State.UNLOADED, cause=Cause.SEEN, reason="it is not in the server's memory")
    return len(wanted)


def unload_all(
    server: Server | None = None, *, step: Callable[[int, int, str], None] = lambda done, all, name: None, **how: Any
) -> int:
    """Takes everything out of memory on `server`, or on every enabled one; how many copies that were.

    LM Studio has no call for it, so it goes copy by copy; `step` is told how many of how many are done, and the next
    one. What cannot be unloaded stays and is told at the end (ValueError), the rest is unloaded all the same. LoadBusy
    or Reserved when somebody else has the one server.
    """
    servers = [server] if server else list(Server.objects.enabled())
    done, faults = 0, []
    for each in servers:
        try:
            copies = _all_on(each)
        except (errors.LMStudioError, ValueError) as error:
            if len(servers) == 1:
                raise
            faults.append(str(error))
            continue
        for number, (instance_id, copy) in enumerate(copies.items()):
            step(number, len(copies), instance_id)
            try:
                unload(copy, **how) if copy else _unload_stranger(each, instance_id)
                done += 1
            except (LoadBusy, Reserved) as busy:
                if len(servers) == 1:
                    raise  # nothing more can be unloaded there for now
                faults.append(str(busy))
                break
            except (errors.LMStudioError, ValueError) as error:
                faults.append(str(error))
    if faults:
        raise ValueError(" ".join(faults[:5]) + (f" And {len(faults) - 5} more." if len(faults) > 5 else ""))
    return done


def take_out(instance: Instance, *, cause: Cause, reason: str = "", patience: float, force: bool = False) -> None:
    """The unload itself, for who holds the server's load lock."""
    if not draining.drained(instance, timeout=patience, force=force):
        count = draining.in_flight(instance)
        flying = f"{count} request{'' if count == 1 else 's'} in flight" if count else "a request in flight"
        raise InUse(f"{instance} on {instance.server} is in use ({flying}), so it stays loaded; try again later.")
    model, last = instance.model, not _others(instance)
    if last:
        states.change(model, State.UNLOADING, cause=cause, reason=reason)
    try:
        asking.ask(instance.server, lambda studio: studio.unload(instance.instance_id))
    except errors.ModelNotFound:
        pass  # gone already
    except BaseException as error:
        draining.release(instance)
        if last:
            _stays(model, cause, error)
        raise
    Instance.objects.filter(server=instance.server, instance_id=instance.instance_id).delete()
    ledger.check(instance.server)
    if last:
        states.change(model, State.UNLOADED, cause=cause, reason=reason)
    else:
        announcing.announce("state", model.pk)
    if cause == Cause.US:
        auditing.note("unload", model, summary=reason or f"{instance} on {instance.server}")


def offered(model: LanguageModel, listing: Listing) -> ReportedModel | None:
    """What a listing of its server says of `model`; None where it is there no more."""
    same = LanguageModel.objects.filter(registry=model.registry_id, server=model.server_id, key=model.key)
    pairs = pairing.paired(same, [each for each in listing.models if each.key == model.key])
    return next((each for known, each in pairs if known == model), None)


def rows_of(model: LanguageModel, offer: ReportedModel) -> list[Instance]:
    """The loaded copies of `model` in the ledger, as its server shows them now."""
    return [ledger.seen(model, copy) for copy in offer.instances]


def _all_on(server: Server) -> dict[str, Instance | None]:
    """Every copy in memory there now, by its id; None for one of a model that no registry has."""
    listing = asking.listing(server)
    copies: dict[str, Instance | None] = {copy.id: None for each in listing.models for copy in each.instances}
    for model in LanguageModel.objects.filter(server=server, key__in=[m.key for m in listing.models if m.instances]):
        if offer := offered(model, listing):
            copies |= {row.instance_id: row for row in rows_of(model, offer)}
    return copies


def _unload_stranger(server: Server, instance_id: str) -> None:
    with loading_on(server, f"unloading {instance_id}"):
        refuse_reserved(server)
        with contextlib.suppress(errors.ModelNotFound):
            asking.ask(server, lambda studio: studio.unload(instance_id))


def _others(instance: Instance) -> bool:
    """Whether the model has another copy in memory."""
    return Instance.objects.filter(model=instance.model).exclude(instance_id=instance.instance_id).exists()


def _stays(model: LanguageModel, cause: Cause, error: BaseException) -> None:
    """What a model is after an unload that failed: still loaded, or unknown where the server does not answer."""
    if isinstance(error, errors.Unreachable):
        states.change(model, State.ERROR, cause=cause, reason=str(error))
    else:
        states.change(model, State.LOADED, cause=cause, reason=f"could not be unloaded: {error}" if str(error) else "")


def enqueue_unload(models: Sequence[LanguageModel], *, instance: str = "", force: bool = False, **how: Any) -> Job:
    """A job that unloads every copy of `models`, or of one model the one `instance`; several: a parent with children.

    ValueError when none of them is on a server.
    """
    willing = [model for model in models if model.server_id is not None]
    if not willing:
        raise ValueError(" ".join(f"{model.key} is on no server." for model in models[:5]) or "No model was named.")
    if len(willing) > MOST:  # of so many only those that are in memory, as far as it is known
        copies = Instance.objects.filter(model__registry__in={model.registry_id for model in willing})
        loaded = set(copies.values_list("model", flat=True))
        willing = [model for model in willing if model.pk in loaded]
        if not willing:
            raise ValueError(f"None of the {len(models):,} models is in memory.")
    asked = {"instance": instance, "force": force}
    wishes = [(model.key, {"model": model.pk, "registry": model.registry_id, **asked}) for model in willing]
    return enqueue(KIND, wishes, **how)


def enqueue_unload_all(server: Server | None = None, *, force: bool = False, **how: Any) -> Job:
    """A job that empties the memory of `server`, or of every enabled one; ValueError when there is none."""
    servers = [server] if server else list(Server.objects.enabled())
    if not servers:
        raise ValueError("There is no enabled server; add one first.")
    return enqueue(ALL, [(each.name, {"server": each.pk, "force": force}) for each in servers], **how)


def run(held: Claim) -> None:
    """Unloads the model of a claimed job."""
    params = held.job.params
    model = LanguageModel.objects.select_related("server", "registry").filter(pk=params.get("model")).first()
    if model is None or model.server is None:
        raise JobFailed("the model was deleted meanwhile; there is nothing to unload")
    held.say(0.1, f"unloading on {model.server}")
    with working_on(held, model.server):
        count = unload_model(
            model, only=params.get("instance", ""), force=bool(params.get("force")), look=held.check,
            wait_seconds=SLOT_SECONDS,
        )  # fmt: skip
    copies = f"{count} cop{'y' if count == 1 else 'ies'} unloaded" if count else "it was not loaded"
    held.write(message=copies, result={"unloaded": count})


def run_all(held: Claim) -> None:
    """Empties the memory of the server of a claimed job."""
    server = Server.objects.filter(pk=held.job.params.get("server")).first()
    if server is None:
        raise JobFailed("the server was deleted meanwhile; there is nothing to unload")

    def step(done: int, all: int, name: str) -> None:
        held.say(done / all, f"unloading {name}, {done + 1} of {all}")

    with working_on(held, server):
        count = unload_all(
            server, step=step, force=bool(held.job.params.get("force")), look=held.check, wait_seconds=SLOT_SECONDS
        )
    copies = f"{count} cop{'y' if count == 1 else 'ies'} unloaded" if count else "nothing was loaded"
    held.write(message=copies, result={"unloaded": count})


jobs.KINDS |= {KIND: jobs.Kind(run), ALL: jobs.Kind(run_all)}
