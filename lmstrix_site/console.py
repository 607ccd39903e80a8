"""The console script `lmstrix`: the management commands by the guide's names."""

import os
import sys

from lmstrix_site.environment import BadSetting

NAMES = {"test": "probe_context"}  # Django keeps `test` for itself


def manage(argv: list[str]) -> int:
    """Runs a management command; a bad setting is one line, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lmstrix_site.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(argv)
    except BadSetting as error:
        sys.stderr.write(f"lmstrix: {error}\n")
        return 2
    return 0


def main() -> None:
    arguments = sys.argv[1:]
    if arguments and arguments[0] in NAMES:
        arguments[0] = NAMES[arguments[0]]
    sys.exit(manage(["lmstrix", *arguments]))
