"""Records of requests for tests: through the same verb as all others, with silent defaults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.utils import timezone

from registry import recording
from registry.models import InferenceRecord, LanguageModel
from registry.models.usage import Outcome

SECOND = 1_000_000


def moment(text: str) -> datetime:
    """A point in time in UTC, like 2026-03-01 or 2026-03-01T23:59:59.999999."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def inference(model: LanguageModel | None, at: datetime | None = None, **fields: Any) -> InferenceRecord:
    """An unsaved record: answered within a second, 30 tokens read and 10 written, now."""
    defaults: dict[str, Any] = {
        "uuid": uuid4(),
        "model": model,
        "server_id": model.server_id if model else None,
        "model_key": model.key if model else "nobody-knows",
        "endpoint": "chat",
        "outcome": Outcome.OK,
        "started": at or timezone.now(),
        "duration_us": SECOND,
        "tokens_in": 30,
        "tokens_out": 10,
    }
    return InferenceRecord(**(defaults | fields))


def ask(model: LanguageModel | None, at: datetime | str | None = None, times: int = 1, **fields: Any) -> None:
    """Records `times` requests that began at one moment."""
    began = moment(at) if isinstance(at, str) else at
    recording.record([inference(model, began, **fields) for _ in range(times)])
