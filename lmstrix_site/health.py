"""Whether this process lives, and whether the whole of LMStrix is ready to work."""

from __future__ import annotations

from datetime import timedelta

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from registry.models import Pulse

PULSE_SECONDS = 60


@require_safe
@never_cache
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
@never_cache
@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when database, broker and worker are there; 503 names what is missing, with the remedy."""
    missing = {}
    if not _database_answers():
        missing["database"] = "does not answer; check DATABASE_URL and that the server runs"
    if not _broker_answers():
        missing["broker"] = "does not answer; check REDIS_URL and that the server runs"
    if "database" in missing or not _worker_lives():
        missing["worker"] = f"has not shown life for {PULSE_SECONDS} s; check that worker, beat and broker run"
    return JsonResponse({"ready": not missing, "missing": missing}, status=503 if missing else 200)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _broker_answers() -> bool:
    try:
        client = redis.Redis.from_url(settings.REDIS_CLIENT_URL, socket_timeout=1, socket_connect_timeout=1)
        with client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _worker_lives() -> bool:
    """Whether the worker was seen lately, by the database's clock."""
    try:
        since = Now() - timedelta(seconds=PULSE_SECONDS)
        return Pulse.objects.filter(name="worker", seen__gt=since).exists()
    except DatabaseError:
        return False
