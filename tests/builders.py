"""Builders with silent defaults: a test names only what it is about."""

from itertools import count
from typing import Any

from registry.models import Job, LanguageModel, Registry, Role, Server, User
from registry.models.job import JobStatus
from testing.models import ContextTest, Probe

_number = count(1)


def make_user(*, role: Role | str = Role.ADMIN, password: str | None = None, **fields: Any) -> User:
    """A person of this role; without a password they come in by a link only."""
    username = fields.pop("username", f"{Role(role).value}{next(_number)}")
    return User.objects.create_user(username=username, password=password, role=role, **fields)


def make_server(*, token: str = "", **fields: Any) -> Server:
    """An enabled server on a port where nothing answers; `token` is sealed."""
    number = next(_number)
    server = Server(**{"name": f"server-{number}", "base_url": f"http://127.0.0.1:9/{number}"} | fields)
    if token:
        server.token = token
    server.save()
    return server


def make_model(*, server: Server | None = None, tags: tuple[str, ...] = (), **fields: Any) -> LanguageModel:
    """An untested model of the default registry on a new server (or on `server`)."""
    key = fields.get("key", f"model-{next(_number)}")
    defaults = {
        "registry": fields.pop("registry", None) or Registry.objects.default(),
        "server": server or make_server(),
        "key": key,
        "name": key,
        "size_bytes": 144_811_968,
        "declared_context": 8192,
        "type": "chat",
    }
    model = LanguageModel.objects.create(**(defaults | fields))
    for name in tags:
        model.tags.create(name=name)
    return model


def make_job(*, status: JobStatus | str = JobStatus.RUNNING, **fields: Any) -> Job:
    """A job as it would lie in the table; nothing is sent to a worker."""
    return Job.objects.create(**({"kind": "scan", "title": "Scan", "status": status} | fields))


def make_test(*, model: LanguageModel | None = None, job: Job | None = None, **fields: Any) -> ContextTest:
    """A verified context test of `model` (or of a new one) with a finished job."""
    model = model or make_model()
    job = job or make_job(kind="context_test", title=f"Context test of {model.key}", status=JobStatus.SUCCEEDED)
    defaults = {"model": model, "server": model.server, "job": job, "verdict": "verified", "tested_context": 8192}
    return ContextTest.objects.create(**(defaults | fields))


def make_probe(*, test: ContextTest, **fields: Any) -> Probe:
    """The next probe of `test`, at 2,048 tokens unless told."""
    defaults = {"order": test.probes.count() + 1, "kind": "try small", "requested": 2048, "verdict": "loads, answers"}
    return Probe.objects.create(test=test, **(defaults | fields))
