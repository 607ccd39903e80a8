"""How much a model was used: the guide's figures, and its last thirty days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry import usage_reports
from registry.models import LanguageModel
from registry.views import usage_page
from registry.views.usage_lanes import Lanes


@dataclass(frozen=True)
class Usage:
    """Figures of one model; None is unknown, times in seconds."""

    inference_count: int
    total_tokens_processed: int | None
    avg_tokens_per_inference: float | None
    total_inference_time: float | None
    avg_seconds_per_inference: float | None
    last_used: datetime | None
    recorded: bool  # here, request by request
    lanes: Lanes | None  # None: nothing in thirty days

    @classmethod
    def of(cls, model: LanguageModel) -> Usage:
        """What was recorded here, or else what was counted elsewhere before the first record."""
        live = usage_reports.live_usage([model.pk])
        stats = live.get(model.pk) or usage_reports.usage_stats([model])[model.pk]
        return cls(
            stats["inference_count"],
            stats["total_tokens_processed"],
            stats["avg_tokens_per_inference"],
            stats["total_inference_time"],
            stats["avg_time_per_inference"],
            stats["last_used"],
            recorded=bool(live),
            lanes=usage_page.of_model(model) if live else None,
        )

    @property
    def chart(self) -> dict[str, Any] | None:
        return self.lanes.charts()["requests"] if self.lanes else None
