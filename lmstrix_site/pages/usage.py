"""How much a model was used, in the guide's figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.dateparse import parse_datetime

from registry.models import LanguageModel


@dataclass(frozen=True)
class Usage:
    """Figures of one model; None is unknown, times in seconds."""

    inference_count: int
    total_tokens_processed: int | None
    total_inference_time: float | None
    last_used: datetime | None

    @classmethod
    def of(cls, model: LanguageModel) -> Usage:
        """What was counted elsewhere before the first record here."""
        counted = model.opening_balance
        last = counted.get("last_used")
        return cls(
            counted.get("inference_count") or 0,
            counted.get("total_tokens_processed"),
            counted.get("total_inference_time"),
            parse_datetime(last) if isinstance(last, str) else None,
        )

    @property
    def avg_tokens_per_inference(self) -> float | None:
        if not self.inference_count or self.total_tokens_processed is None:
            return None
        return self.total_tokens_processed / self.inference_count

    @property
    def avg_seconds_per_inference(self) -> float | None:
        if not self.inference_count or self.total_inference_time is None:
            return None
        return self.total_inference_time / self.inference_count
