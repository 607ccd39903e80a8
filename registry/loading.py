"""Brings models into memory: one load at a time on a server, never a second copy of a model, and what came of it noted.

LM Studio loads what it likes: a size asked for is not a promise. What was asked for and what is in force are both kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from registry import asking, drifting, jobs, ledger, states
from registry.claims import Claim, JobFailed
from registry.lmstudio import errors
from registry.load_lock import LoadBusy, Reserved, loading_on, refuse_reserved
from registry.load_options import NO_OPTIONS, asked_for
from registry.load_steps import Load
from registry.memory_jobs import SLOT_SECONDS, enqueue, working_on
from registry.models import Instance, Job, LanguageModel, Server, StateChange
from registry.models.instance import LoadedBy
from registry.models.language_model import State
from registry.models.state_change import Cause
from registry.unloading import (
    WAIT_SECONDS,
    InUse,
    Look,
    enqueue_unload,
    enqueue_unload_all,
    offered,
    rows_of,
    unload,
    unload_all,
)

__all__ = [
    "InUse", "LoadBusy", "Reserved", "enqueue_load", "enqueue_unload", "enqueue_unload_all", "load", "objection",
    "unload", "unload_all",
]  # fmt: skip

KIND = "load"
STRAY_SECONDS = 15.0  # a load that was given up may still finish at the server


def objection(model: LanguageModel) -> str:
    """Why `model` cannot be loaded; empty when it can."""
    if model.server is None:
        return f"{model.key} is on no server, so it cannot be loaded."
    if not model.server.enabled:
        return f"{model.server.name} is disabled; enable it to load {model.key}."
    return _gone(model) if model.missing else ""


def _gone(model: LanguageModel) -> str:
    return f"{model.key} is no longer on {model.server}; scan the server to see what it has now."


def load(
    model: LanguageModel, *, context: int | None = None, options: Mapping[str, Any] = NO_OPTIONS,
    by: LoadedBy = LoadedBy.US, cause: Cause = Cause.US, reason: str = "", wait_seconds: float = WAIT_SECONDS,
    look: Look = None, progress: Look = None,
) -> Instance:  # fmt: skip
    """The loaded copy of `model` that serves `context` tokens (None: what the server takes by itself) and `options`.

    One that is loaded already and serves is given back as it is; one that does not is unloaded first. `look` is called
    all the time, `progress` too once the load itself is under way; what they raise ends it. Raises ValueError (with
    its kinds LoadBusy, Reserved, InUse) and LMStudioError; the model is in the error state then if its load failed.
    """
    if refusal := objection(model):
        raise ValueError(refusal)
    assert model.server is not None  # noqa: S101  (objection() has seen to it)
    asked = asked_for(context, options)
    with loading_on(model.server, f"loading {model.key}", wait_seconds=wait_seconds, look=look) as lock:
        refuse_reserved(model.server)
        listing = asking.listing(model.server, look)
        if (offer := offered(model, listing)) is None:
            raise ValueError(_gone(model))
        copies = rows_of(model, offer)
        if serving := next((copy for copy in copies if serves(copy, asked)), None):
            state = State.ACTIVE if model.state == State.ACTIVE else State.LOADED
            states.change(model, state, cause=Cause.SEEN, context=serving.context_length)
            return serving
        alike = sum(each.key == model.key for each in listing.models) > 1  # several files of one key
        name = offer.variant if alike and offer.variant else model.key
        work = Load(model, name, asked, by, cause, reason, lock)
        work.make_room(copies)
        return work.do(look, progress)


def serves(copy: Instance, asked: Mapping[str, Any]) -> bool:
    """Whether a loaded copy is as good as a new load: large enough and with these options.

    Or it came of the same wish, of which the server made something else: it would again.
    """
    if asked and copy.asked == asked:
        return True
    force = ledger.applied(copy)
    options = {name: value for name, value in asked.items() if name != "context_length"}
    kept = all(value in (force.get(name), copy.asked.get(name)) for name, value in options.items())
    return kept and drifting.fits(asked.get("context_length"), copy.context_length)


def enqueue_load(
    models: Sequence[LanguageModel], *, context: int | None = None, options: Mapping[str, Any] = NO_OPTIONS, **how: Any
) -> Job:
    """A job that loads `models` (runner and owner in `how`); of several a parent with one child each, in their order.

    ValueError for options that cannot be, or when none of the models can be loaded.
    """
    asked_for(context, options)
    objections = {model.pk: reason for model in models if (reason := objection(model))}
    willing = [model for model in models if model.pk not in objections]
    if not willing:
        raise ValueError(" ".join(list(objections.values())[:5]) or "There is no model to load.")
    asked = {"context": context, "options": dict(options)}
    return enqueue(
        KIND, [(model.key, {"model": model.pk, "registry": model.registry_id, **asked}) for model in willing], **how
    )


def last_load_seconds(model: LanguageModel) -> float | None:
    """How long its last load took by the state log, else as a test measured it."""
    done = StateChange.objects.filter(model=model, old=State.LOADING, new=State.LOADED).first()
    began = done and StateChange.objects.filter(model=model, new=State.LOADING, pk__lt=done.pk).first()
    return (done.at - began.at).total_seconds() if done and began else model.load_seconds


def run(held: Claim) -> None:
    """Does the load of a claimed job."""
    model, server = _model(held)
    if held.job.result.get("in_flight"):  # whoever did this job before died in the middle of it
        _await_stray(held, model)
    expected, began = last_load_seconds(model), 0.0
    held.say(0.0, f"looking at {server}")

    def progress() -> None:
        nonlocal began
        if not began:
            began = monotonic()
            held.write(result={"in_flight": True, "expected": expected})
        seconds = monotonic() - began
        last = f"; the last load took {expected:.0f} s" if expected else ""
        share = min(seconds / expected, 0.95) if expected else None
        held.say(share, f"loading on {server}, {seconds:.0f} s so far{last}", often=True)

    with working_on(held, server):
        wish = {name: held.job.params.get(name) for name in ("context", "options")}
        try:
            instance = load(
                model, context=wish["context"], options=wish["options"] or {}, look=held.check, progress=progress,
                wait_seconds=SLOT_SECONDS,
            )  # fmt: skip
        except errors.LMStudioError as error:
            if not isinstance(error, errors.Unreachable):  # it has said no: nothing of it is under way there
                held.write(result={})
                held.job.result = {}
            raise
    held.write(message=told(instance), result=outcome(instance, monotonic() - began if began else None))


def told(instance: Instance) -> str:
    """What is loaded now, in one line."""
    size = f" with {instance.context_length:,} tokens" if instance.context_length else ""
    return f"{instance} is loaded on {instance.server}{size}" + (f": {instance.drift}" if instance.drift else "")


def outcome(instance: Instance, seconds: float | None) -> dict[str, Any]:
    """What came of a load; `seconds` None: it was loaded already."""
    return {
        "instance": instance.instance_id, "context_length": instance.context_length, "asked": instance.asked,
        "options": instance.options, "drift": instance.drift, "seconds": None if seconds is None else round(seconds, 3),
        "memory_bytes": instance.memory_bytes,
    }  # fmt: skip


def tidy(held: Claim) -> None:
    """After a cancel or a failure: a load that was given up may still finish at the server, and is taken out again."""
    held.job.refresh_from_db(fields=["result"])
    if not held.job.result.get("in_flight"):
        return
    model, server = _model(held)
    held.say(message=f"waiting whether {server} still finishes the load")
    with loading_on(server, f"undoing the load of {model.key}", wait_seconds=SLOT_SECONDS, look=held.check):
        for instance_id in _await_stray(held, model):
            with suppress(errors.ModelNotFound):
                asking.ask(server, lambda studio, instance_id=instance_id: studio.unload(instance_id))  # type: ignore[misc]
    held.write(result={})
    held.say(message="nothing of it is left in memory")


def _await_stray(held: Claim, model: LanguageModel) -> list[str]:
    """The ids of the copies of `model`, as soon as there is one; none after 15 seconds, or when nobody answers."""
    assert model.server is not None  # noqa: S101  (it was loaded there)
    until = monotonic() + STRAY_SECONDS
    while monotonic() < until:
        try:
            offer = offered(model, asking.listing(model.server, held.check))
        except errors.LMStudioError:
            return []
        if offer and offer.instances:
            return [copy.id for copy in offer.instances]
        held.pause(1.0)
    return []


def _model(held: Claim) -> tuple[LanguageModel, Server]:
    wanted = LanguageModel.objects.select_related("server", "registry").filter(pk=held.job.params.get("model"))
    model = wanted.first()
    if model is None or model.server is None:
        raise JobFailed("the model was deleted meanwhile; there is nothing to load")
    return model, model.server


jobs.KINDS[KIND] = jobs.Kind(run, tidy)
