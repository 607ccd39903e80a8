"""Settings from the environment: a bad value is one line that names the variable."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lmstrix_site import environment as env
from lmstrix_site.environment import BadSetting

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda value: monkeypatch.setenv("X", value)


@pytest.mark.parametrize(
    ("value", "read"), [("", True), ("1", True), ("YES", True), ("off", False), (" false ", False)]
)
def test_a_flag(given: Callable[[str], None], value: str, read: bool) -> None:
    given(value)
    assert env.flag("X", default=True) is read


@pytest.mark.parametrize(
    ("reader", "bad", "complaint"),
    [
        (lambda: env.flag("X"), "maybe", "X is 'maybe'; use true or false."),
        (lambda: env.seconds("X", 5), "0", "X is '0'; use a number of seconds above 0 and below 86400."),
        (lambda: env.seconds("X", 5), "nan", "X is 'nan'; use a number"),
        (lambda: env.seconds("X", 5), "inf", "X is 'inf'; use a number"),
        (lambda: env.seconds("X", 5), "-1", "X is '-1'; use a number"),
        (lambda: env.seconds("X", 5), "soon", "X is 'soon'; use a number"),
        (lambda: env.count("X", 5), "0", "X is '0'; use a whole number above 0."),
        (lambda: env.count("X", 5), "1.5", "X is '1.5'; use a whole number above 0."),
        (lambda: env.port("X", 5), "65536", "X is '65536'; use a port from 0 to 65535."),
        (lambda: env.port("X", 5), "-1", "X is '-1'; use a port from 0 to 65535."),
        (lambda: env.choice("X", "a", ("a", "b")), "c", "X is 'c'; use one of a, b."),
    ],
)
def test_a_bad_value_is_named(
    given: Callable[[str], None], reader: Callable[[], object], bad: str, complaint: str
) -> None:
    given(bad)
    with pytest.raises(BadSetting) as refused:
        reader()
    assert str(refused.value).startswith(complaint)


def test_what_is_not_set_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X", raising=False)
    assert (env.text("X", "a"), env.seconds("X", 5), env.count("X", 7), env.port("X", 80)) == ("a", 5.0, 7, 80)


def test_the_defaults_are_readable(given: Callable[[str], None]) -> None:
    given(" 12 ")
    assert (env.seconds("X", 5), env.count("X", 7), env.port("X", 80)) == (12.0, 12, 12)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("postgres://u:p@db:5432/x", "postgres://u:p@db:5432/x"),
        ("sqlite:////data/x.sqlite3", "sqlite:////data/x.sqlite3"),
        ("unix:///run/v.sock", "unix:///run/v.sock"),
        ("postgres://db/x/", "postgres://db/x"),
        ("", ""),
    ],
)
def test_an_address(given: Callable[[str], None], value: str, read: str) -> None:
    given(value)
    assert env.address("X", "", ("postgres", "sqlite", "unix")) == read


@pytest.mark.parametrize(
    "value", ["mysql://u:hunter2@db/x", "hunter2", "postgres://", "postgres:///x", "postgres://[hunter2"]
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_its_password(
    given: Callable[[str], None], value: str
) -> None:
    given(value)
    with pytest.raises(BadSetting, match="X is not a usable address; it must start with postgres://") as refused:
        env.address("X", "", ("postgres",))
    assert "hunter2" not in str(refused.value)


def test_the_data_directory_is_made_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LMSTRIX_DATA_DIR", str(tmp_path / "a" / "b"))
    folder = env.data_dir()
    assert (folder, stat.S_IMODE(folder.stat().st_mode)) == ((tmp_path / "a" / "b").resolve(), 0o700)
    assert list(folder.iterdir()) == []


def test_a_data_directory_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LMSTRIX_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(BadSetting, match=r"cannot be written .* set LMSTRIX_DATA_DIR or --data-dir"):
        env.data_dir()


def test_the_run_directory_is_short_however_long_the_data_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    folder = env.run_dir(tmp_path / ("y" * 200))
    assert len(str(folder / "v.sock")) < 107
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


@pytest.mark.parametrize("trap", ["open to all", "a link"])
def test_a_run_directory_that_somebody_prepared_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trap: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = env.run_dir(tmp_path)
    if trap == "a link":
        (tmp_path / "elsewhere").mkdir()
        folder.rmdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.chmod(0o777)
    with pytest.raises(BadSetting, match="The run directory"):
        env.run_dir(tmp_path)


def test_a_secret_key_is_made_once_and_kept_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LMSTRIX_SECRET_KEY", raising=False)
    first = env.secret_key(tmp_path, "")
    assert (env.secret_key(tmp_path, ""), len(first) >= 48) == (first, True)
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("key", "database", "complaint"),
    [
        ("short", "", "LMSTRIX_SECRET_KEY is too short; use at least 32 characters."),
        ("", "postgres://db/x", "LMSTRIX_SECRET_KEY is not set; it is required with DATABASE_URL"),
    ],
)
def test_a_secret_key_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str, database: str, complaint: str
) -> None:
    monkeypatch.setenv("LMSTRIX_SECRET_KEY", key)
    with pytest.raises(BadSetting) as refused:
        env.secret_key(tmp_path, database)
    assert str(refused.value).startswith(complaint)


def test_a_damaged_key_file_is_not_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LMSTRIX_SECRET_KEY", raising=False)
    (tmp_path / "secret-key").write_text("cut")
    with pytest.raises(BadSetting, match="is damaged; put the old key back"):
        env.secret_key(tmp_path, "")
    assert (tmp_path / "secret-key").read_text() == "cut"


def test_a_command_with_a_bad_setting_says_one_line_and_exits_2(tmp_path: Path) -> None:
    environment = os.environ | {"LMSTRIX_DATA_DIR": str(tmp_path), "LMSTRIX_PORT": "eighty", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "manage.py"), "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "lmstrix: LMSTRIX_PORT is 'eighty'; use a port from 0 to 65535.\n")
