"""The database is made at the first use of any command."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.stacks import NOT_INHERITED, ROOT


def lmstrix(data_dir: Path, *arguments: str) -> "subprocess.Popen[str]":
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env={**inherited, "LMSTRIX_DATA_DIR": str(data_dir)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=60)
    return process.returncode, output.strip(), errors.strip()


def change(data_dir: Path, statement: str) -> None:
    with closing(sqlite3.connect(data_dir / "lmstrix.sqlite3")) as database:
        database.execute(statement)
        database.commit()


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that two commands began to use at the same moment."""
    data_dir = tmp_path_factory.mktemp("data")
    both = [lmstrix(data_dir, "login") for _ in range(2)]
    ends = [finish(process) for process in both]
    assert [end[0] for end in ends] == [0, 0], ends
    return data_dir


def test_two_first_commands_at_once_make_one_database(used: Path) -> None:
    with closing(sqlite3.connect(used / "lmstrix.sqlite3")) as database:
        assert database.execute("select username, role from registry_user").fetchall() == [("admin", "admin")]
        assert database.execute("select name from registry_registry").fetchall() == [("default",)]


def test_an_older_database_is_copied_before_it_is_migrated(used: Path) -> None:
    change(used, "delete from django_migrations where app = 'sessions'")
    change(used, "drop table django_session")
    assert finish(lmstrix(used, "token", "list"))[0] == 0
    (copy,) = (used / "backups").glob("before-migration-*.sqlite3")
    with closing(sqlite3.connect(copy)) as database:
        tables = {name for (name,) in database.execute("select name from sqlite_master")}
    assert "registry_user" in tables
    assert "django_session" not in tables


def test_a_newer_database_is_refused_in_one_line(used: Path) -> None:
    change(used, "insert into django_migrations (app, name, applied) values ('registry', '9999_later', 0)")
    code, _, errors = finish(lmstrix(used, "token", "list"))
    assert code == 1
    assert "newer LMStrix" in errors
    assert "registry.9999_later" in errors
    assert len(errors.splitlines()) == 1
