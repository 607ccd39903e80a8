"""The console script `lmstrix`: the management commands by the guide's names."""

import os
import sys
from importlib.metadata import version

from lmstrix_site.environment import BadSetting

OVERVIEW = """LMStrix finds out what local language models really do on this hardware.

  up        start everything and keep it up, until Ctrl-C
  login     print a link that signs in once
  doctor    what is wrong, and what to do about it
  scan      ask the servers what they have
  list      the models, with what is known of them
  show      everything about one model
  add       a model by hand, from JSON
  tag       labels on models
  group     ordered sets of models
  profile   which model to take for a purpose
  registry  statistics, upkeep, backups, files, comparison
  test      find the real context window: load, fill, read
  load      bring models into memory, with context and options
  unload    take models out of memory, or everything
  ps        what is loaded now
  memory    what is taken, and what the memory policy would unload
  download  a model to a server that offers it
  report    what models were asked, and how fast they answered
  infer     one prompt to a model, recorded like any request
  token     keys for programs
  engine    only the embedded engine
  prepare   make or update the tables of the database

`lmstrix COMMAND --help` says more; Django's own commands (shell, createsuperuser, ...) work too.
"""
NAMES = {"test": "probe_context"}  # Django keeps `test` for itself
# options of `up` that settings are made of: they have to be known before Django loads
SETTINGS_OF_UP = {"--data-dir": "LMSTRIX_DATA_DIR", "--host": "LMSTRIX_HOST", "--port": "LMSTRIX_PORT"}
WITHOUT_DATABASE = {"engine"}
OWNERS_WITH_TABLES = ("registry", "testing", "django.contrib.auth")


def manage(argv: list[str]) -> int:
    """Runs a management command, the database made first where it needs one; what stops it is one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lmstrix_site.settings")
    if argv[1:2] == ["up"]:
        take_settings(argv[2:])
    from django.core.management import execute_from_command_line

    try:
        if _needs_database(argv[1:]):
            complaint = _prepare_database()
            if complaint:
                sys.stderr.write(f"lmstrix: {complaint}\n")
                return 1
        execute_from_command_line(argv)
    except BadSetting as error:
        sys.stderr.write(f"lmstrix: {error}\n")
        return 2
    return 0


def take_settings(arguments: list[str]) -> None:
    """Puts `--data-dir X` and `--data-dir=X` (and host, port) of `up` into the environment."""
    for position, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option in SETTINGS_OF_UP:
            following = arguments[position + 1 : position + 2]
            os.environ[SETTINGS_OF_UP[option]] = value if equals else "".join(following)


def _needs_database(arguments: list[str]) -> bool:
    """Whether this is a command that works on the tables (`up` and `doctor` look at them themselves)."""
    if not arguments or {"-h", "--help", "--version"} & set(arguments) or arguments[0] in WITHOUT_DATABASE:
        return False
    import django
    from django.core.management import get_commands

    django.setup()  # before it, get_commands() would remember an empty list
    return arguments[0] == "shell" or get_commands().get(arguments[0]) in OWNERS_WITH_TABLES


def _prepare_database() -> str:
    """Makes or migrates the database; gives what is wrong with it, or nothing."""
    from django.db import DatabaseError

    from lmstrix_site.first_use import DatabaseNewer, prepare_database

    try:
        prepare_database()
    except DatabaseNewer as newer:
        return str(newer)
    except DatabaseError as error:
        first_line = str(error).partition("\n")[0]
        return f"The database cannot be used ({first_line}); `lmstrix doctor` says more."
    return ""


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["help"] and len(arguments) > 1:
        arguments = [arguments[1], "--help"]
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        sys.stdout.write(OVERVIEW)
        sys.exit(0)
    if arguments[0] == "--version":
        sys.stdout.write(f"LMStrix {version('lmstrix')}\n")
        sys.exit(0)
    if arguments and arguments[0] in NAMES:
        arguments[0] = NAMES[arguments[0]]
    sys.exit(manage(["lmstrix", *arguments]))
