"""Jobs that load and unload: how they are queued, and what a refusal of the server means for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from registry import acting, announcing, dispatching
from registry.claims import Claim, JobFailed, Waiting, send_next
from registry.lmstudio import errors
from registry.load_lock import LoadBusy, Reserved
from registry.models import Job, Server
from registry.models.job import JobStatus, Runner

FAMILIES = {"load": "loads", "unload": "unloads", "unload_all": "unload_everywhere"}
SLOT_SECONDS = 20.0  # how long a job waits for the load lock before it goes back to the queue

MOST = 200  # models in one go: each is a job of its own

Wish = tuple[str, dict[str, Any]]  # title, params


class InTheWay(Waiting):
    """Somebody else loads there, or an experiment has the server; the job goes back to the queue."""

    def __init__(self, server: Server, why: str) -> None:
        super().__init__(server)
        self.args = (f"waiting: {why}",)


def enqueue(kind: str, wishes: Sequence[Wish], *, runner: str = Runner.WORKER, owner: str = "") -> Job:
    """A job for each wish, asked for by who acts now; several become a parent with a child each.

    ValueError for more than 200.
    """
    if len(wishes) > MOST:
        raise ValueError(f"{len(wishes):,} at once are too many, each is a job of its own; choose at most {MOST}.")
    actor = acting.current()
    common: dict[str, Any] = {"door": actor.door, "asked_by": actor.user, "runner": runner, "owner": owner}
    by = {"who": actor.name}
    message = "waiting for a worker" if runner == Runner.WORKER else "starting"
    with transaction.atomic():
        parent = None
        if len(wishes) > 1:
            parent = Job.objects.create(
                kind=FAMILIES[kind],
                title=f"{len(wishes)} {'servers' if 'server' in wishes[0][1] else 'models'}",
                status=JobStatus.RUNNING,
                started=Now(),
                params=by,
                **common,
            )
        made = [
            Job.objects.create(
                kind=kind, title=title[:700], params=params | by, message=message, parent=parent, **common
            )
            for title, params in wishes
        ]
        for job in made:
            if runner == Runner.WORKER:
                dispatching.send(job.pk)
    announcing.announce("job", (parent or made[0]).pk)
    return parent or made[0]


@contextmanager
def working_on(held: Claim, server: Server) -> Iterator[None]:
    """Turns what a server refuses into the job's end, or its wait; and sends who waits for this job's end."""
    try:
        yield
    except LoadBusy as busy:
        raise InTheWay(server, f"{server} is {busy.what or 'busy'}") from busy
    except Reserved as reserved:
        raise InTheWay(server, f"{server} is reserved for job {reserved.job.pk}") from reserved
    except errors.LMStudioError as error:
        held.write(result=held.job.result | {"unreachable": isinstance(error, errors.Unreachable)})
        raise JobFailed(str(error)) from error
    except ValueError as refusal:
        raise JobFailed(str(refusal)) from refusal
    finally:
        send_next(server)
