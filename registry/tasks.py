"""What Celery carries: ids in, one verb called."""

from celery import shared_task
from celery.signals import worker_ready

from registry import (
    acting,
    changing,
    delivering,
    evicting,
    jobs,
    mirroring,
    polling,
    pruning,
    rolling_up,
    scanning,
    supervising,
    surveying,
)
from registry.acting import Actor
from registry.models import Pulse


@shared_task(name="registry.run_job")
def run_job(job_id: int) -> None:
    jobs.run(job_id)


@shared_task(name="registry.reconcile")
def reconcile() -> None:
    Pulse.objects.beat("worker")
    supervising.reconcile()


@shared_task(name="registry.scan_all")
def scan_all() -> None:
    scanning.enqueue_all(door="schedule")


@shared_task(name="registry.poll")
def poll() -> None:
    polling.poll_due()


@shared_task(name="registry.daily_snapshots")
def daily_snapshots() -> None:
    surveying.survey()
    with acting.acting(Actor("schedule")):
        changing.enqueue_daily()


@shared_task(name="registry.mirror")
def mirror() -> None:
    mirroring.mirror()


@shared_task(name="registry.deliver_webhooks")
def deliver_webhooks() -> None:
    delivering.deliver_due()


@shared_task(name="registry.prune")
def prune() -> None:
    pruning.prune()


@shared_task(name="registry.check_rollups")
def check_rollups() -> None:
    rolling_up.check_yesterday()


@shared_task(name="registry.evict")
def evict() -> None:
    with acting.acting(Actor("schedule")):
        evicting.run_all()


@worker_ready.connect
def revive(**_: object) -> None:
    """A worker that starts first looks for jobs that died with the one before it."""
    reconcile.delay()
