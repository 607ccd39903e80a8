"""`lmstrix engine`: the embedded engine on its own."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from testing.engine.http import serve


class Command(BaseCommand):
    help = "Runs a server with LM Studio's API on small real models, until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=1234, help="0 = any free one (default: 1234)")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--budget-mb", type=int, default=512, help="MiB for all loaded models (default: 512)")
        parser.add_argument("--token", default=os.environ.get("LMSTRIX_ENGINE_TOKEN"), help="demand this bearer token")
        parser.add_argument("models", nargs="*", type=Path, help="more GGUF files to offer")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["budget_mb"] < 1:
            raise CommandError("--budget-mb must be at least 1", returncode=2)
        try:
            serve(
                options["port"], options["host"], options["budget_mb"], options["token"], models=options["models"]
            )  # fmt: skip
        except OSError as error:
            raise CommandError(f"cannot listen on {options['host']}:{options['port']}: {error}") from error
