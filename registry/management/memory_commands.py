"""What `lmstrix load` and `lmstrix unload` share: which models are meant, and how their jobs end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from registry import grouping
from registry.management.base import FAILED, UNREACHABLE, model_named, registry_named, wrong_usage
from registry.models import Job, LanguageModel
from registry.models.job import JobStatus


def models_meant(options: dict[str, Any]) -> list[LanguageModel]:
    """The models that were named, or those of `--group`, in their order; exit 2 when there is none."""
    registry = registry_named(options["registry"])
    if not options["group"]:
        return [model_named(name, registry) for name in dict.fromkeys(options["models"])]
    try:
        group = grouping.group_named(registry, options["group"])
    except ValueError as error:
        raise wrong_usage(str(error)) from error
    models = list(grouping.models_of(group).select_related("server"))
    if not models:
        raise wrong_usage(f"Group {group} has no models; `lmstrix group add` puts some in.")
    return models


def family_of(job: Job) -> list[Job]:
    """The jobs that do the work."""
    return list(job.children.order_by("pk")) or [job]


def ended(family: Sequence[Job]) -> list[Job]:
    """The jobs as they ended."""
    return list(Job.objects.filter(pk__in=[job.pk for job in family]).order_by("pk"))


def exit_of(family: Sequence[Job]) -> None:
    """Exit 1 when a job failed, 3 when that was since LM Studio does not answer; the reasons on the error output."""
    failed = [job for job in family if job.status != JobStatus.SUCCEEDED]
    if failed:
        told = "\n".join(f"{job.title}: {job.error or job.message}" for job in failed)
        gone = any(job.result.get("unreachable") for job in failed)
        raise CommandError(told, returncode=UNREACHABLE if gone else FAILED)
