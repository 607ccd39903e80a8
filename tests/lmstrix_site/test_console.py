"""`lmstrix` without a command, and the names it gives."""

import os
import subprocess
import sys

import pytest

SCRIPT = "import sys; from lmstrix_site.console import main; sys.argv[0] = 'lmstrix'; main()"


def lmstrix(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [(), ("--help",), ("help",)])
def test_the_commands_that_matter_are_shown_alone(arguments: tuple[str, ...]) -> None:
    done = lmstrix(*arguments)
    assert done.returncode == 0
    assert "find the real context window" in done.stdout
    assert "sqlflush" not in done.stdout


def test_the_version_is_ours() -> None:
    assert lmstrix("--version").stdout == "LMStrix 0.1.0\n"


def test_help_of_a_command_is_that_of_its_own_name() -> None:
    assert lmstrix("help", "test").stdout.startswith("usage: lmstrix test ")


def test_a_log_level_that_does_not_exist_is_one_line() -> None:
    done = lmstrix("ps", LMSTRIX_LOG_LEVEL="LOUD")
    assert done.returncode == 2
    assert done.stderr == "lmstrix: LMSTRIX_LOG_LEVEL is 'LOUD'; use one of DEBUG, INFO, WARNING, ERROR.\n"
