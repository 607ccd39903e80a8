"""Does the jobs of another data directory, as its worker would: for tests with a second LMStrix beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api_server import NOT_INHERITED, ROOT

RUN = """
import time
import django
django.setup()
from registry import jobs
from registry.models import Job
while True:
    for job in Job.objects.filter(status="queued"):
        jobs.run(job.pk)
    time.sleep(0.1)
"""


@contextmanager
def job_runner(folder: Path) -> Iterator[None]:
    """Runs what is queued in the database of `folder`."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    environment |= {"LMSTRIX_DATA_DIR": str(folder), "XDG_RUNTIME_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    environment |= {"DJANGO_SETTINGS_MODULE": "lmstrix_site.settings"}
    process = subprocess.Popen([sys.executable, "-c", RUN], env=environment, cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()
