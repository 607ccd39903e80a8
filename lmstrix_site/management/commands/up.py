"""`lmstrix up`: starts and watches everything."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from lmstrix_site import environment
from lmstrix_site.first_use import DatabaseNewer
from lmstrix_site.supervisor import running
from lmstrix_site.supervisor.checks import Refusal
from lmstrix_site.supervisor.leftovers import AlreadyRunning
from lmstrix_site.supervisor.plan import Options


class Command(BaseCommand):
    help = "Starts and watches web, worker, beat, Valkey and (when no LM Studio answers) the engine, until Ctrl-C."
    requires_system_checks: list[str] = []  # two seconds of them would be felt; `make check` runs them

    def add_arguments(self, parser: CommandParser) -> None:
        # data directory, host and port are settings: the console puts them into the environment before Django loads
        parser.add_argument("--host", default=settings.HOST, help="where to listen (default: %(default)s)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="0 = any free one (default: %(default)s)")
        parser.add_argument("--data-dir", help=f"where everything is kept (default: {settings.DATA_DIR})")
        parser.add_argument(
            "--engine", choices=["auto", "on", "off"], default="auto", help="auto: when no LM Studio answers"
        )
        parser.add_argument(
            "--budget-mb",
            type=int,
            help="MiB for the engine's models (default: LMSTRIX_ENGINE_BUDGET_MB or 512)",
        )
        parser.add_argument("--no-browser", action="store_true", help="open no browser window")

    def handle(self, *args: Any, **options: Any) -> None:
        budget = options["budget_mb"] or environment.count("LMSTRIX_ENGINE_BUDGET_MB", 512)
        wanted = Options(
            host=options["host"],
            port=options["port"],
            engine=options["engine"],
            budget_mb=budget,
            browser=not options["no_browser"],
        )
        try:
            running.run(wanted)
        except AlreadyRunning as running_already:
            raise CommandError(str(running_already), returncode=2) from running_already
        except (Refusal, DatabaseNewer) as refusal:
            raise CommandError(str(refusal)) from refusal
