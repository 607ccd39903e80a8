"""`lmstrix up`, from the checks to the end."""

import os
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.db import connection

from lmstrix_site.first_use import prepare_database
from lmstrix_site.supervisor import checks, first_server, leftovers
from lmstrix_site.supervisor.greeting import Greeting
from lmstrix_site.supervisor.health import Watchdog
from lmstrix_site.supervisor.plan import Options, Plan, engine_port
from lmstrix_site.supervisor.supervisor import Supervisor, ended_by_signals
from registry.models import Server
from registry.signing_in import ADDRESS_FILE, url_of


def say(line: str) -> None:
    """One line for the person at the terminal; a terminal that is gone stops nothing."""
    with suppress(OSError, ValueError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def run(options: Options) -> None:
    """Starts everything and returns when it was told to end and all has ended.

    Raises AlreadyRunning, Refusal or DatabaseNewer with a text for people.
    """
    data_dir = Path(settings.DATA_DIR)
    with leftovers.only_one(data_dir):
        checks.check_hosts(options.host)
        if cleared := leftovers.clear(data_dir):
            say(f"{cleared} processes of an earlier run that died were ended.")
        with checks.listen(options.host, options.port) as listener:
            options = replace(options, port=listener.getsockname()[1])
            plan = Plan(options, url_of(options.host, options.port))
            supervisor = Supervisor(data_dir, plan.mark, say)
            with ended_by_signals(supervisor.stopping):
                try:
                    start(supervisor, plan, listener)
                    supervisor.watch()
                finally:
                    supervisor.stop()
                    (data_dir / ADDRESS_FILE).unlink(missing_ok=True)
    say("LMStrix has ended.")


def start(supervisor: Supervisor, plan: Plan, listener: socket.socket) -> None:
    """Starts the processes; what needs no tables comes first, so that it starts while the tables are made."""
    say(f"LMStrix {version('lmstrix')} keeps its data in {settings.DATA_DIR}")
    if complaint := checks.missing_assets():
        say(complaint)
    if not settings.REDIS_URL:
        supervisor.add(plan.valkey())
    engine_url = start_engine(supervisor, plan)
    prepare_database()
    checks.check_password(plan.options.host)
    server = first_server_row(plan, engine_url)
    connection.close()
    (Path(settings.DATA_DIR) / ADDRESS_FILE).write_text(plan.url + "\n")
    supervisor.add(plan.web(listener))
    supervisor.add(plan.worker())
    supervisor.add(plan.beat())
    Greeting(plan.url, server, browser=plan.options.browser, stopping=supervisor.stopping, say=say).start()
    Watchdog(plan.url, supervisor.stopping, supervisor.ask_restart).start()


def start_engine(supervisor: Supervisor, plan: Plan) -> str:
    """Starts the engine where it is wanted; gives its address, or nothing."""
    mode = plan.options.engine
    if mode == "auto":
        mode = "off" if checks.lm_studio_answers(settings.LMSTUDIO_BASE_URL, settings.LM_API_TOKEN) else "on"
        if mode == "on":
            say(f"No LM Studio answers at {settings.LMSTUDIO_BASE_URL}: starting the embedded engine.")
    if mode == "off":
        return ""
    port = engine_port()
    supervisor.add(plan.engine(port))
    return f"http://127.0.0.1:{port}"


def first_server_row(plan: Plan, engine_url: str) -> Server | None:
    """The server to scan first; None when there is neither an engine nor a LM Studio that anybody named."""
    if engine_url:
        return first_server.ensure_engine(engine_url, plan.options.budget_mb)
    first_server.retire_engine()
    if plan.options.engine == "auto" or "LMSTUDIO_BASE_URL" in os.environ:
        return first_server.ensure_lm_studio()
    return None
