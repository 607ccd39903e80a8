"""Leaves a server as it was found: what was loaded is noted, set aside, and loaded again with its settings."""

from collections import Counter
from dataclasses import asdict
from time import monotonic
from typing import Any

from registry import draining, ledger
from registry.claims import JobFailed
from registry.lmstudio import errors
from registry.models import Instance
from testing.experiment import Experiment

LOAD_OPTIONS = ("eval_batch_size", "flash_attention", "num_experts", "offload_kv_cache_to_gpu")
STRAY_SECONDS = 15.0  # a load that was cut off may still finish at the server

IN_FLIGHT_SECONDS = 300.0  # how long requests that are in flight may still take
LOOK_SECONDS = 2.0

Found = list[dict[str, Any]]


def what_is_loaded(experiment: Experiment) -> Found:
    """Every loaded instance with its model and settings, and what the ledger knows of it, as values to store."""
    with experiment.alone("noting what is loaded"):
        known, models = ledger.facts_of(experiment.server), experiment.listing().models
    return [
        {"model": model.key, **{name: value for name, value in asdict(instance).items() if value is not None}}
        | ({"known": known[instance.id]} if instance.id in known else {})
        for model in models
        for instance in model.instances
    ]


def set_aside(experiment: Experiment, found: Found, key: str) -> None:
    """Unloads what was found, and any copy of the model `key` that an interrupted run left behind."""
    noted = {item["id"] for item in found}
    for model in experiment.listing().models:
        for instance in model.instances:
            if instance.id in noted or model.key == key:
                _let_finish(experiment, instance.id)
                experiment.held.say(message=f"setting {instance.id} aside")
                experiment.unload(instance.id)


def _let_finish(experiment: Experiment, instance_id: str) -> None:
    """Waits for the requests that the gateway has in flight there; new ones it sends elsewhere by now."""
    row = Instance.objects.filter(server=experiment.server, instance_id=instance_id).first()
    until = monotonic() + IN_FLIGHT_SECONDS
    while row and not draining.drained(row, timeout=LOOK_SECONDS):
        if monotonic() > until:
            raise JobFailed(
                f"{instance_id} on {experiment.server} had requests in flight for {IN_FLIGHT_SECONDS / 60:.0f} "
                "minutes; retry when it is used less."
            )
        experiment.held.say(message=f"waiting for the requests in flight at {instance_id}")
        experiment.held.check()


def put_back(experiment: Experiment, found: Found, key: str, load_in_flight: bool = False) -> list[str]:
    """Unloads copies of `key` that were not there before and loads what was; gives what could not be put back."""
    _unload_strays(experiment, found, key)
    problems = []
    for item in _missing(experiment, found):
        size = item.get("context_length")
        experiment.held.say(message=f"loading {item['model']} again" + (f" at {size:,}" if size else ""))
        try:
            _load_again(experiment, found, key, item)
        except errors.LMStudioError as error:
            if isinstance(error, errors.Unreachable) and not isinstance(error, errors.TimedOut):
                raise  # not the fault of this model: the server is gone
            problems.append(f"{item['model']}: {error.detail}")
    until = monotonic() + (STRAY_SECONDS if load_in_flight else 0)
    while not _unload_strays(experiment, found, key) and monotonic() < until:
        experiment.held.pause(1.0)
    experiment.notes.give_back(found)
    return problems


def _load_again(experiment: Experiment, found: Found, key: str, item: dict[str, Any]) -> None:
    options = {name: item[name] for name in LOAD_OPTIONS if name in item}

    def load() -> None:
        experiment.load_as_before(item["model"], item.get("context_length"), item.get("known", {}), **options)

    try:
        load()
    except errors.OutOfMemory:
        # a load that was cut off may have finished meanwhile and take the room
        if not _unload_strays(experiment, found, key):
            raise
        load()


def _unload_strays(experiment: Experiment, found: Found, key: str) -> bool:
    """Unloads copies of `key` beyond those found; True when there were any."""
    copies = experiment.instances(key)
    wanted = Counter(item.get("context_length") for item in found if item["model"] == key)
    strays = []
    for copy in copies:
        if wanted[copy.context_length] > 0:
            wanted[copy.context_length] -= 1
        else:
            strays.append(copy.id)
    experiment.unload(*strays)
    return bool(strays)


def _missing(experiment: Experiment, found: Found) -> Found:
    """What was found and is not loaded now; a copy counts by its model and context, since ids are given anew."""
    here = Counter((m.key, i.context_length) for m in experiment.listing().models for i in m.instances)
    missing = []
    for item in found:
        name = (item["model"], item.get("context_length"))
        if here[name] > 0:
            here[name] -= 1
        else:
            missing.append(item)
    return missing
