"""What commands with actions (`lmstrix group add ...`) share: options after the action, and refusals as exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser

from registry.filters import BadFilter
from registry.holding import Busy
from registry.management.base import FAILED, add_registry_option, wrong_usage


def actions(parser: CommandParser, names: str) -> Any:
    """The place for the actions of a command; one of them has to be named."""
    return parser.add_subparsers(dest="action", required=True, metavar=names)


def action(group: Any, name: str, help_text: str) -> CommandParser:
    """One action, which knows --json and --registry like its command."""
    parser: CommandParser = group.add_parser(name, help=help_text, description=help_text)
    # no default: it would undo a --json before the action
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the result as JSON")
    add_registry_option(parser)
    return parser


@contextmanager
def refusals() -> Iterator[None]:
    """What a verb refuses in here is wrong usage (exit 2); a registry that others are writing is exit 1."""
    try:
        yield
    except Busy as error:
        raise CommandError(str(error), returncode=FAILED) from error
    except ValueError as error:
        if type(error) not in (ValueError, BadFilter):
            raise
        raise wrong_usage(str(error)) from error
