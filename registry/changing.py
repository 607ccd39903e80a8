"""Changes of whole registries as jobs: import, restore, merge, take-over, sync and clean-up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from registry import (
    acting,
    announcing,
    comparing,
    dispatching,
    exchanging,
    jobs,
    registries,
    sealing,
    snapshots,
    syncing,
    upkeep,
)
from registry.claims import Claim, JobFailed
from registry.comparing import Side
from registry.holding import Busy
from registry.living import showing_life
from registry.models import Job, Registry, Role, Snapshot
from registry.models.job import OPEN, Runner
from registry.models.snapshot import Origin
from registry.rendering import counted
from registry.replacing import Finish, Report

SHOWN = 200  # changes that a job's result keeps


def enqueue_import(
    registry: Registry, upload: Snapshot, strategy: str, *, version: int | None = None, **how: Any
) -> Job:
    """Imports a file that `snapshots.store_upload` kept; `exact` and a version as in exchanging.bring_in."""
    params = {"snapshot": upload.pk, "strategy": strategy, "version": version}
    return _enqueue("import", registry, f"{upload} into {registry}", params, **how)


def enqueue_restore(snapshot: Snapshot, **how: Any) -> Job:
    """Makes the snapshot's registry what it was."""
    title = f"{snapshot.registry} from {snapshot}"
    return _enqueue("restore", snapshot.registry, title, {"snapshot": snapshot.pk}, **how)


def enqueue_merge(snapshot: Snapshot, strategy: str, tokens: Collection[str] | None = None, **how: Any) -> Job:
    """Merges a snapshot into its registry; with `tokens` only the changes that these name."""
    params = {"snapshot": snapshot.pk, "strategy": strategy, "tokens": None if tokens is None else sorted(tokens)}
    return _enqueue("merge", snapshot.registry, f"{snapshot} into {snapshot.registry}", params, **how)


def enqueue_take_over(
    registry: Registry, source: str, tokens: Collection[str], *, remote_token: str = "", files: bool = False, **how: Any
) -> Job:
    """Takes over chosen changes of another side, told as for `comparing.side`."""
    params = {"source": source, "tokens": sorted(tokens), **_way(remote_token, files)}
    return _enqueue("take_over", registry, f"{source} into {registry}", params, **how)


def enqueue_sync(
    registry: Registry,
    first: str,
    second: str,
    strategy: str,
    results: bool = False,
    *,
    remote_token: str = "",
    files: bool = False,
    **how: Any,
) -> Job:
    """Brings two sides to the same, each told as for `comparing.side` in `registry`."""
    params = {"first": first, "second": second, "strategy": strategy, "results": results, **_way(remote_token, files)}
    return _enqueue("sync", registry, f"{first} with {second}", params, **how)


def _way(remote_token: str, files: bool) -> dict[str, Any]:
    """How a worker gets at a side: the token of another LMStrix is kept encrypted."""
    return {"token": sealing.seal(remote_token), "files": files}


def _side(held: Claim, registry: Registry, name: str) -> Side:
    params = held.job.params
    token = sealing.unseal(params["token"])
    return comparing.side(params[name], registry=registry, files=params["files"], remote_token=token)


def enqueue_cleanup(registry: Registry, *, orphans: bool, older_than_days: int | None = None, **how: Any) -> Job:
    """Removes models that no server has any more, and test results that are too old."""
    return _enqueue("cleanup", registry, str(registry), {"orphans": orphans, "days": older_than_days}, **how)


def enqueue_daily() -> list[Job]:
    """Takes the daily snapshots that are due, and deletes what is kept no longer; one that failed waits an hour."""
    recent = Q(status__in=OPEN) | Q(created__gt=timezone.now() - timedelta(hours=1))
    tried = Job.objects.filter(recent, kind="snapshot").values_list("params", flat=True)
    under_way = {params["registry"] for params in tried}
    due = (registry for registry in snapshots.due() if registry.pk not in under_way)
    return [_enqueue("snapshot", registry, str(registry), {}) for registry in due]


def _enqueue(
    kind: str, registry: Registry, title: str, params: dict[str, Any], runner: str = Runner.WORKER, owner: str = ""
) -> Job:
    """A job for a worker; one for the command itself is not sent."""
    actor = acting.current()
    job = Job.objects.create(
        kind=kind, title=title[:700], params={"registry": registry.pk, "who": actor.name, **params},
        message="waiting for a worker", door=actor.door, asked_by=actor.user, runner=runner, owner=owner,
    )  # fmt: skip
    if runner == Runner.WORKER:
        dispatching.send(job.pk)
    announcing.announce("job", job.pk)
    return job


@contextmanager
def _working(held: Claim) -> Iterator[Registry]:
    """The job's registry; shows life meanwhile, and turns a refusal into the job's end."""
    registry = Registry.objects.filter(pk=held.job.params.get("registry")).first()
    if registry is None:
        raise JobFailed("the registry was deleted meanwhile; nothing was changed")
    held.say(0.1, "reading")
    try:
        with showing_life(held):
            yield registry
    except (ValueError, Busy, sealing.Unreadable) as refusal:
        raise JobFailed(str(refusal)) from refusal


def _snapshot(held: Claim) -> Snapshot:
    found = Snapshot.objects.select_related("registry").filter(pk=held.job.params["snapshot"]).first()
    if found is None:
        raise JobFailed("the snapshot was deleted meanwhile; nothing was changed")
    return found


def _noting(held: Claim) -> Finish:
    """Writes what came of it in the transaction of the change, so that a lost lease or a cancel undoes all of it."""

    def finish(report: Report) -> None:
        held.check()
        result = report.as_dict(SHOWN) | {"undo": report.undo.pk if report.undo else None}
        held.write(message=report.summary, result=result)

    return finish


def _change(work: Callable[[Claim, Registry], Any]) -> Callable[[Claim], None]:
    """The run of a kind of job; what a worker before had finished is not done again.

    A bound registry that it writes is saved in its file; where that cannot be, nothing is done. A sync saves its sides.
    """
    saves = work not in (_sync, _daily)

    def run(held: Claim) -> None:
        if held.job.result:
            return
        actor = replace(acting.current(), name=held.job.params.get("who", ""))
        with acting.acting(actor), _working(held) as registry:
            if saves:
                registries.check_file(registry)
            work(held, registry)
            if saves:
                registries.save_bound(registry)

    return run


def _import(held: Claim, registry: Registry) -> None:
    upload, params = _snapshot(held), held.job.params
    data = snapshots.document(upload)
    exchanging.bring_in(
        registry,
        data,
        strategy=params["strategy"],
        name=upload.name,
        expected_version=params["version"],
        finish=_noting(held),
    )


def _restore(held: Claim, registry: Registry) -> None:
    snapshots.restore(_snapshot(held), finish=_noting(held))


def _merge(held: Claim, registry: Registry) -> None:
    snapshot, tokens = _snapshot(held), held.job.params["tokens"]
    if tokens is None:
        snapshots.merge(snapshot, held.job.params["strategy"], finish=_noting(held))
    else:
        content = snapshots.content(snapshot)
        exchanging.take_over(registry, content, set(tokens), source=snapshot.name, finish=_noting(held))


def _take_over(held: Claim, registry: Registry) -> None:
    side, tokens = _side(held, registry, "source"), set(held.job.params["tokens"])
    exchanging.take_over(registry, side.content, tokens, source=side.label, finish=_noting(held))
    _forget_token(held)


def _forget_token(held: Claim) -> None:
    """What was done needs the token of the other LMStrix no more."""
    held.write(params=held.job.params | {"token": sealing.seal("")})


def _sync(held: Claim, registry: Registry) -> None:
    params = held.job.params
    first, second = (_side(held, registry, name) for name in ("first", "second"))
    report = syncing.sync(
        first, second, strategy=params["strategy"], results=params["results"], check=held.check
    )  # fmt: skip
    held.write(message=report.summary, result=report.as_dict(SHOWN))
    _forget_token(held)


def _cleanup(held: Claim, registry: Registry) -> None:
    params = held.job.params
    upkeep.cleanup(registry, orphans=params["orphans"], older_than_days=params["days"], finish=_noting(held))


def _daily(held: Claim, registry: Registry) -> None:
    taken = snapshots.create(registry, origin=Origin.DAILY)
    old = snapshots.prune(registry)
    held.write(message=counted(taken.model_count, "model"), result={"snapshot": taken.pk, "pruned": old})


WORK = {
    "import": _import, "restore": _restore, "merge": _merge, "take_over": _take_over, "sync": _sync,
    "cleanup": _cleanup, "snapshot": _daily,
}  # fmt: skip
jobs.KINDS.update({kind: jobs.Kind(_change(work), role=Role.ADMIN) for kind, work in WORK.items()})
