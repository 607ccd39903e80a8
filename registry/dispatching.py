"""Hands job ids to the workers; without a broker the job stays queued and the reconciler sends it later."""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def send(job_id: int) -> None:
    """Sends the job to a worker once the current transaction has committed."""
    transaction.on_commit(lambda: _send(job_id))


def _send(job_id: int) -> None:
    try:
        current_app.send_task("registry.run_job", [job_id], retry=False)
    except (OperationalError, OSError) as error:
        log.info("job %s stays queued, the broker does not answer: %s", job_id, error)
