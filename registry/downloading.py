"""Downloads models to servers that offer it: LM Studio does the work, a job here follows it and scans at the end."""

from __future__ import annotations

import time

from registry import asking, jobs, memory_jobs, scanning, sizes
from registry.claims import Claim, JobFailed
from registry.lmstudio.errors import BadReply, LMStudioError, Unreachable
from registry.lmstudio.wire import Download
from registry.models import Job, Registry, Server
from registry.models.job import Runner

KIND = "download"
LOOK_SECONDS = 1.0  # how often the server is asked how far it is
PATIENCE = 120.0  # seconds that the server may be silent meanwhile; it goes on by itself


def enqueue(
    server: Server, name: str, quantization: str = "", *, registry: Registry | None = None,
    runner: str = Runner.WORKER, owner: str = "",
) -> Job:  # fmt: skip
    """A job that downloads `name` (as in LM Studio's catalogue, or a link); one under way is given back instead."""
    name, quantization = name.strip(), quantization.strip()
    if not name or len(name) > 500 or not name.isprintable() or " " in name:
        raise ValueError("Give the model's name in LM Studio's catalogue, such as qwen/qwen3-4b, or its link.")
    if len(quantization) > 50 or not quantization.isprintable():
        raise ValueError("A quantization is a short word such as Q4_K_M.")
    if not server.enabled:
        raise ValueError(f"{server} is disabled; enable it to download models to it.")
    registry = registry or Registry.objects.default()
    params = {"server": server.pk, "model": name, "quantization": quantization, "registry": registry.pk}
    same = Job.objects.open().filter(kind=KIND, runner=runner, params__server=server.pk, params__model=name)
    if runner == Runner.WORKER and (under_way := same.first()):
        return under_way
    return memory_jobs.enqueue(KIND, [(f"{name} to {server}", params)], runner=runner, owner=owner)


def under_way(server: Server) -> list[Job]:
    """The open downloads to `server`, oldest first."""
    return list(Job.objects.open().filter(kind=KIND, params__server=server.pk).order_by("pk"))


def run(held: Claim) -> None:
    """Does the download of a claimed job; after a worker's death it follows the one that was begun."""
    params = held.job.params
    server = Server.objects.filter(pk=params["server"]).first()
    if server is None:
        raise JobFailed("the server was deleted meanwhile; nothing is downloaded to it any more")
    begun = held.job.result.get("download")
    now = Download("downloading", begun) if begun else _start(held, server)
    while now.status in ("downloading", "paused"):
        held.say(*told(now), often=True)
        held.pause(LOOK_SECONDS)
        now = _look(held, server, now)
    if now.status == "failed":
        held.write(result={})  # a retry begins anew
        raise JobFailed(f"{server} could not download {params['model']}: {now.error or 'it did not say why'}.")
    there = "was there already" if now.status == "already_downloaded" else "is downloaded"
    held.write(message=f"{params['model']} {there}")
    if held.job.runner == Runner.WORKER:
        _scan(held, server)


def _start(held: Claim, server: Server) -> Download:
    params = held.job.params
    held.say(0.0, f"asking {server}")
    try:
        began = asking.ask(server, lambda s: s.download(params["model"], params["quantization"] or None), held.check)
    except (LMStudioError, ValueError) as error:
        held.write(result={"unreachable": isinstance(error, Unreachable)})
        raise JobFailed(str(error)) from error
    held.write(result={"download": began.job_id, "total_bytes": began.total_bytes})
    return began


def _look(held: Claim, server: Server, last: Download) -> Download:
    """How far it is now; a server that is silent for a while is waited for."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return asking.ask(server, lambda s: s.download_status(last.job_id or ""), held.check)
        except (Unreachable, BadReply) as error:
            if time.monotonic() > until:
                held.write(result=held.job.result | {"unreachable": True})
                raise JobFailed(f"{error} The download may still go on there; retry to follow it.") from error
            held.say(None, f"{server} does not answer at the moment; waiting for it")
            held.pause(LOOK_SECONDS)
        except (LMStudioError, ValueError) as error:  # it failed, or is not known any more
            held.write(result={})
            raise JobFailed(f"{server} did not finish the download of {held.job.params['model']}: {error}") from error


def told(now: Download) -> tuple[float | None, str]:
    """How far a download is, 0 to 1, and in words."""
    have, total = now.downloaded_bytes, now.total_bytes
    share = have / total if have is not None and total else None
    size = f" {sizes.plain(have)}" if have is not None else ""
    size += f" of {sizes.plain(total)}" if total else ""
    if now.status == "paused":
        return share, f"paused on the server{' at' + size if size else ''}; go on there"
    speed = f", {sizes.plain(round(now.bytes_per_second))} a second" if now.bytes_per_second else ""
    left = (total - have) / now.bytes_per_second if total and have is not None and now.bytes_per_second else None
    return share, f"downloading{size}{speed}" + (f", about {_minutes(left)} left" if left else "")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:,.0f} min"


def _scan(held: Claim, server: Server) -> None:
    registry = Registry.objects.filter(pk=held.job.params["registry"]).first()
    scan = scanning.enqueue(server, door=held.job.door, asked_by=held.job.asked_by, registry=registry)
    held.job.refresh_from_db(fields=["result"])
    held.write(result=held.job.result | {"scan": scan.pk})


def tidy(held: Claim) -> None:
    """Says after a cancel what LM Studio offers no way to stop from here."""
    held.job.refresh_from_db(fields=["status", "result"])
    if held.job.result.get("download") and held.job.status == "cancelled":
        held.write(message="cancelled here; LM Studio itself goes on: stop it in its window")


jobs.KINDS[KIND] = jobs.Kind(run, tidy)
