"""`python -m tests.pg_and_redis COMMAND...`: runs a command on a PostgreSQL and a Redis of its own.

Both listen on free ports of this machine, keep their files in a temporary directory, and end with the command.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30.0


class Missing(Exception):
    """A program that is needed is not installed; the text names its package."""


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Gives the environment variables that make LMStrix use the two servers."""
    with tempfile.TemporaryDirectory(prefix="lmx-servers-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the postgres user has to pass through
        with _redis(folder / "redis") as redis_port, _postgres(folder / "postgres") as postgres_port:
            yield {
                "DATABASE_URL": f"postgres://lmstrix@127.0.0.1:{postgres_port}/lmstrix",
                "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
                "LMSTRIX_SECRET_KEY": secrets.token_urlsafe(48),
            }


@contextmanager
def _redis(folder: Path) -> Iterator[int]:
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("redis-server is not installed; on Debian: apt-get install redis-server")
    folder.mkdir()
    port = _free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with _running(command, folder / "log", port):
        yield port


@contextmanager
def _postgres(folder: Path) -> Iterator[int]:
    programs = _postgres_programs()
    folder.mkdir()
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = "postgres"
        shutil.chown(folder, user)
    data, port = folder / "data", _free_port()
    initdb = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "lmstrix",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
    ]
    subprocess.run(initdb, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    # nothing of this outlives the test run, so nothing needs to reach the disk
    quick = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    place = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *place, *quick]
    with _running(command, folder / "log", port, user):
        createdb = [str(programs / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "lmstrix", "lmstrix"]
        subprocess.run(createdb, user=user, cwd=folder, check=True)
        yield port


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        raise Missing("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    return Path(initdb).parent


@contextmanager
def _running(command: list[str], log: Path, port: int, user: str | None = None) -> Iterator[None]:
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, user=user, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(process, port, log)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL: end now, without waiting for its clients
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def main() -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # the servers end too
    try:
        with servers() as variables:
            return subprocess.run(sys.argv[1:], env={**os.environ, **variables}, check=False).returncode
    except Missing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
