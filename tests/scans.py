"""Scans done in the thread of a test."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from registry import jobs, scanning
from registry.models import LanguageModel, Scan, Server
from tests.builders import make_test

TESTED = {"tested_context": 65_536, "test_status": "tested", "test_verdict": "verified", "tokens_per_second": 41.5}


def scan(server: Server, **options: Any) -> Scan:
    """A scan of `server`, done in this thread."""
    job = scanning.enqueue(server, door="test", **options)
    jobs.run(job.pk)
    return Scan.objects.select_related("job", "server").get(job=job)


def rows(**which: Any) -> list[dict[str, Any]]:
    """The models as they lie in the table."""
    return [dict(row) for row in LanguageModel.objects.filter(**which).order_by("pk").values()]


def scanned(server: Server) -> LanguageModel:
    scan(server)
    return LanguageModel.objects.get(server=server, key="qwen")


def with_results(server: Server) -> LanguageModel:
    """A scanned model with the results of a test and a label."""
    found = scanned(server)
    LanguageModel.objects.filter(pk=found.pk).update(last_tested=timezone.now(), **TESTED)
    make_test(model=found)
    found.tags.create(name="favourite")
    return found


def again(found: LanguageModel) -> LanguageModel:
    found.refresh_from_db()
    return found
