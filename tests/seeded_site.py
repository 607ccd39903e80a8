"""A served site with rows in every state that a page shows, for browsers. `fill()` runs in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.api_server import ApiServer, api_server

if TYPE_CHECKING:
    from registry.models import LanguageModel, Server

LONG = "unbroken" * 62  # 496 characters without a place to break
PROBES = (
    ("try small", 2048, "loads, answers"), ("declared", 131_072, "out of memory"), ("half", 65_536, "crashed"),
    ("half", 32_768, "loads, answers"), ("bisect", 40_960, "timed out"), ("fill", 32_768, "verified"),
)  # fmt: skip


@dataclass
class SeededSite:
    """The address of the site, its pages by what they show, and a one-time link for each role."""

    url: str
    paths: dict[str, str]
    keys: dict[str, str]
    server: ApiServer

    def login_path(self, role: str) -> str:
        return f"/login/?key={self.keys[role]}"


@contextmanager
def seeded_site(folder: Path, *, rows: bool) -> Iterator[SeededSite]:
    """A web process over a filled database, or over one that has people only."""
    with api_server(folder, fill=f"from tests.seeded_site import fill; fill({str(folder)!r}, {rows})") as server:
        told = json.loads((folder / "seeded.json").read_text())
        yield SeededSite(server.url, told["paths"], told["keys"], server)


def fill(folder: str, rows: bool) -> None:
    """Writes the rows, and beside them what was written."""
    from registry.models import LoginLink, Role
    from tests.builders import make_user

    people = {role: make_user(role=role, username=f"{role.value}-person") for role in Role}
    keys = {role.value: LoginLink.issue(person) for role, person in people.items()}
    paths = _rows() if rows else {}
    (Path(folder) / "seeded.json").write_text(json.dumps({"keys": keys, "paths": paths}))


def _rows() -> dict[str, str]:
    from django.utils import timezone

    from registry.models import ApiToken, Role
    from tests.builders import make_model
    from tests.seeded_changes import changes

    ApiToken.issue("a nightly job", Role.OPERATOR)
    now = timezone.now()
    shelf, attic = _servers()
    models = {
        "untested": make_model(key="lab/untested", server=shelf, parameters="3.2B", quantization="Q4_K_M"),
        "tested": make_model(
            key="lab/tested", server=shelf, declared_context=131_072, tested_context=32_768, test_status="tested",
            test_verdict="verified", last_tested=now - timedelta(hours=1), tokens_per_second=30.6, state="loaded",
        ),
        "failed": make_model(
            key="lab/failed", server=shelf, test_status="failed", test_verdict="out of memory", last_tested=now
        ),
        "stale": make_model(
            key="lab/stale", server=shelf, tested_context=8192, test_status="tested", test_verdict="verified",
            stale=True, stale_reason="the file changed", last_tested=now - timedelta(days=3),
        ),
        "missing": make_model(key="lab/missing", server=shelf, missing=True, tested_context=4096, test_status="tested"),
        "embedding": make_model(key="lab/embedding", server=shelf, type="embedding", declared_context=2048),
        "long": make_model(
            key=LONG, server=shelf, quantization="Q" * 90, publisher=LONG, description=LONG * 3, size_bytes=None,
            declared_context=None, type="",
        ),
        "testing": make_model(key="lab/testing", server=shelf, test_status="testing", declared_context=131_072),
    }  # fmt: skip
    custom = make_model(key="by-hand", server=shelf)
    type(custom).objects.filter(pk=custom.pk).update(server=None)
    for number in range(60):
        make_model(key=f"many/model-{number:02}", server=shelf)
    _webhook()
    shown: dict[str, Any] = {f"model {state}": model for state, model in models.items()}
    shown |= {"model custom": custom, "server": shelf, "server silent": attic}
    paths = {name: row.get_absolute_url() for name, row in shown.items()} | _work(models, shelf)
    return paths | changes(models) | _states(models["tested"])


def _states(model: LanguageModel) -> dict[str, str]:
    """What a model did in memory; gives the page of its log."""
    from django.utils import timezone

    from registry.models import StateChange

    told = (("unloaded", "loading"), ("loading", "error"), ("error", "loading"), ("loading", "loaded"))
    for hours, (old, new) in zip((20, 19, 5, 4), told, strict=True):
        StateChange.objects.create(
            model=model, model_key=model.key, old=old, new=new, cause="us", reason=f"asked for {LONG}",
            context_length=16_384 if new == "loaded" else None, at=timezone.now() - timedelta(hours=hours),
        )  # fmt: skip
    type(model).objects.filter(pk=model.pk).update(added=timezone.now() - timedelta(days=2))
    return {"model states": f"{model.get_absolute_url()}states/"}


def _webhook() -> None:
    """One with a message in each state."""
    from registry import notifying, subscribing
    from registry.models import Delivery

    subscribing.add_webhook("alerting", f"https://example.org/{LONG[:300]}", ["job.failed"])
    for fields in ({"status": "delivered", "http_status": 200}, {"status": "failed", "error": "HTTP 503"}, {}):
        notifying.notify("job.failed", LONG, {"error": LONG})
        Delivery.objects.filter(pk=Delivery.objects.latest("pk").pk).update(attempts=2, **fields)


def _servers() -> tuple[Server, Server]:
    from django.utils import timezone

    from tests.builders import make_server

    now = timezone.now()
    shelf = make_server(
        name="shelf", reachable=True, version="0.4.2", memory_limit_bytes=24_000_000_000, last_scan=now, token="secret"
    )
    error = f"http://10.0.0.9:1234 refused the connection: {LONG}"
    attic = make_server(name="attic" + "x" * 90, reachable=False, error=error, last_scan=now)
    make_server(name="cellar", enabled=False)
    return shelf, attic


def _work(models: dict[str, LanguageModel], shelf: Server) -> dict[str, str]:
    """A context test in each state, scans, a parent job; gives their pages."""
    from django.utils import timezone

    from registry.models import Instance, Registry, Scan
    from tests.builders import make_job

    now = timezone.now()
    lost, busy = f"shelf went away: {LONG}", "loading lab/testing at 36,864 tokens"
    states: dict[str, dict[str, Any]] = {
        "done": {"status": "succeeded", "ended": now, "model": "tested", "probes": 6},
        "stale": {"status": "succeeded", "ended": now, "model": "stale", "probes": 6},
        "bad": {"status": "succeeded", "ended": now, "model": "failed", "verdict": "out of memory", "probes": 2},
        "failed": {"status": "failed", "ended": now, "model": "failed", "error": lost, "probes": 2},
        "cancelled": {"status": "cancelled", "ended": now, "model": "stale", "message": "cancelled", "probes": 3},
        "tidying": {"status": "cancelled", "ended": now, "model": "stale", "tidying": True, "probes": 3},
        "waiting": {"status": "queued", "started": None, "model": "long", "waiting_for": shelf, "probes": 0},
        "running": {"model": "testing", "message": busy, "progress": 0.6, "probes": 5},
    }  # fmt: skip
    tests = {state: _test(models, **fields) for state, fields in states.items()}
    type(shelf).objects.filter(pk=shelf.pk).update(experiment=tests["running"].job_id)
    Instance.objects.create(server=shelf, model=models["tested"], instance_id="lab/tested", context_length=16_384)
    parent = make_job(kind="context_tests", title="2 models", started=now, progress=0.5, message="1 of 2 done")
    child = make_job(title="a part", status="failed", error="no answer", parent=parent, started=now, ended=now)
    scan = make_job(title="shelf", status="succeeded", started=now, ended=now)
    found = {"added": ["lab/tested", LONG], "missing": ["lab/missing"], "rejected": ["no key"], "found": 9}
    Scan.objects.create(job=scan, server=shelf, registry=Registry.objects.default(), **found)
    jobs = {"parent": parent, "part": child, "scan": scan, "failed": tests["failed"].job}
    paths = {f"context test {state}": test.get_absolute_url() for state, test in tests.items()}
    return paths | {f"job {name}": job.get_absolute_url() for name, job in jobs.items()}


def _test(models: dict[str, LanguageModel], *, model: str, probes: int, verdict: str = "verified", **job: Any) -> Any:
    from django.utils import timezone

    from tests.builders import make_job, make_probe, make_test

    started: dict[str, Any] = {"status": "running", "started": timezone.now() - timedelta(minutes=4)}
    made = make_job(kind="context_test", title=models[model].key, **started | job)
    done = made.status == "succeeded"
    outcome: dict[str, Any] = {"verdict": "", "tested_context": None, "duration": 240.0, "iterations": probes}
    if done:
        outcome |= {"verdict": verdict, "tested_context": 32_768 if verdict == "verified" else None}
        outcome |= {"recall_asked": 3, "recall_found": 2}
    test = make_test(model=models[model], job=made, found=[], put_back=done, phase="bracket", **outcome)
    for kind, size, result in PROBES[:probes]:
        good = result in ("loads, answers", "verified")
        memory = {"peak_memory_bytes" if good else "needed_bytes": 8_000_000_000 + size * 97_000}
        make_probe(test=test, kind=kind, requested=size, verdict=result, applied=size if good else None, **memory)
    if made.is_open and probes:
        make_probe(test=test, kind="bisect", requested=36_864, verdict="")
    return test
