"""Asks a model one thing and prints what it says."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from registry import calling, inferring
from registry.inferring import Answer, Wish
from registry.lmstudio.errors import LMStudioError, Unreachable
from registry.lmstudio.wire import ChatProgress
from registry.management.base import (
    FAILED,
    UNREACHABLE,
    OwnCommand,
    PlainConsole,
    add_registry_option,
    registry_named,
    wrong_usage,
)


class Command(OwnCommand):
    help = "Asks a model one thing: loads it where need be, prints the answer, records the request like any other."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prompt", metavar="PROMPT", help="what to ask; - reads it from the input")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("-m", "--model", help="its key, server/key, group:NAME or profile:NAME")
        which.add_argument("--profile", help="the model that this profile means now")
        parser.add_argument("--stream", action="store_true", help="print each piece as it comes")
        parser.add_argument("--temperature", type=float, metavar="T", help="0 to 2 (default: the profile's, else 0)")
        parser.add_argument("--max-tokens", type=int, metavar="N", help="of the answer (default: 4096)")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        name = options["model"] or f"{calling.PROFILE}{options['profile']}"
        prompt = sys.stdin.read() if options["prompt"] == "-" else options["prompt"]
        wish = Wish(registry, name, prompt, _between(options, "temperature", 0, 2), _between(options, "max_tokens", 1))
        try:
            calling.called(registry, name)  # a name that means nothing is wrong usage, not work that failed
        except ValueError as refusal:
            raise wrong_usage(str(refusal)) from refusal
        live = options["stream"] and not options["json"]
        try:
            answer = inferring.infer(wish, hear=self._print_piece if live else None)
        except KeyboardInterrupt:
            raise CommandError("Stopped; what was said until then is recorded.", returncode=FAILED) from None
        except LMStudioError as error:
            code = UNREACHABLE if isinstance(error, Unreachable) else FAILED
            raise CommandError(str(error), returncode=code) from error
        except ValueError as refusal:
            raise CommandError(str(refusal), returncode=FAILED) from refusal
        self._print(answer, options, live)

    def _print(self, answer: Answer, options: dict[str, Any], live: bool) -> None:
        if options["json"]:
            self.print_json(answer.as_dict())
            return
        self.stdout.write("" if live else _printable(answer.text))
        file = getattr(self.stderr, "_out", sys.stderr)
        PlainConsole(file=file, highlight=False, soft_wrap=True).print(figures(answer))

    def _print_piece(self, progress: ChatProgress) -> None:
        if progress.phase == "message" and progress.delta:
            self.stdout.write(_printable(progress.delta), ending="")
            self.stdout.flush()


def figures(answer: Answer) -> str:
    """The figures of an answer in one line."""
    about = "about " if answer.estimated else ""
    told = [f"{answer.model.key} on {answer.model.server}"]
    told += [f"first token after {answer.ttft:.2f} s"] if answer.ttft is not None else []
    told += [f"{answer.tokens_per_second:.1f} tokens/s"] if answer.tokens_per_second is not None else []
    told += [f"{about}{answer.tokens_in:,} tokens in, {answer.tokens_out:,} out, {answer.seconds or 0:.2f} s"]
    return " · ".join(told)


def _printable(text: str) -> str:
    """What a model says must not steer a terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _between(options: dict[str, Any], name: str, least: float, most: float = 10**7) -> Any:
    value = options[name]
    if value is not None and not least <= value <= most:
        raise wrong_usage(f"--{name.replace('_', '-')} is {value}; use {least:g} to {most:,.0f}.")
    return value
