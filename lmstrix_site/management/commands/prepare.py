"""`lmstrix prepare`: the tables and the first server, where no `up` makes them (docker-compose)."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lmstrix_site.first_use import DatabaseNewer, prepare_database
from lmstrix_site.supervisor.checks import Refusal
from lmstrix_site.supervisor.first_server import ensure_lm_studio
from registry import scanning


class Command(BaseCommand):
    help = "Creates or updates the database, and adds the server of LMSTUDIO_BASE_URL where that is set."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = prepare_database()
            if os.environ.get("LMSTUDIO_BASE_URL"):
                server = ensure_lm_studio()
                if server.last_scan is None:
                    scanning.enqueue(server, door="up")
        except (DatabaseNewer, Refusal) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write("The database is made and up to date." if changed else "The database is up to date.")
