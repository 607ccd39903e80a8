"""Hands job ids to the workers; without a broker the job stays queued and the reconciler sends it later."""

import logging
import time

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

SLOW_SECONDS = 1.0  # a broker that takes this long to fail is hanging
QUIET_SECONDS = 15.0  # after that: nobody waits for it, the reconciler comes round

log = logging.getLogger(__name__)
_silent_until = 0.0


def send(job_id: int) -> None:
    """Sends the job to a worker once the current transaction has committed."""
    transaction.on_commit(lambda: _send(job_id))


def _send(job_id: int) -> None:
    global _silent_until
    began = time.monotonic()
    if began < _silent_until:
        return
    try:
        current_app.send_task("registry.run_job", [job_id], retry=False)
    except (OperationalError, OSError) as error:
        log.info("job %s stays queued, the broker does not answer: %s", job_id, error)
        if time.monotonic() - began >= SLOW_SECONDS:
            _silent_until = time.monotonic() + QUIET_SECONDS
