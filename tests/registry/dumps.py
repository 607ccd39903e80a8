"""All rows of the database in one canonical text: equal texts mean that nothing was changed."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder

WORK_LOG = ("registry.Job", "registry.AuditEvent", "registry.Pulse")  # what even a refused import leaves behind


def dump(*, without: Collection[str] = WORK_LOG) -> str:
    """Every table of ours but those `without`, row by row."""
    tables = [table for app in ("registry", "testing") for table in apps.get_app_config(app).get_models()]
    rows: dict[str, list[Any]] = {
        table._meta.label: list(table._default_manager.order_by("pk").values())
        for table in tables
        if table._meta.label not in without
    }
    return json.dumps(rows, cls=DjangoJSONEncoder, sort_keys=True, indent=1)
