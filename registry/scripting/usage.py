"""What models were asked and answered, in the hands of a script."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from registry import recording, usage_reports
from registry.models import LanguageModel, Registry
from registry.scripting import reading
from registry.scripting.figures import Figures

Day = date | str | None


class Usage:
    """The part of a ModelRegistry that records and reports use."""

    registry: Registry

    def record_inference(self, model_id: str, fields: Mapping[str, Any]) -> None:
        """Adds one request to one model, by the guide's fields: tokens_processed, inference_time, timestamp, success.

        Also tokens_in, tokens_out, ttft, uuid, error. With a `uuid` that is recorded already nothing changes. Raises
        ValueError that names an unknown model, an unknown field or a value that cannot be.
        """
        recording.record_inference(self.registry, model_id, fields)

    def get_usage_trends(self, model_id: str | None = None, days: int = 30) -> Figures:
        """daily_avg, peak_day (unknown without requests), monthly_tokens (of this calendar month) and `days`, in UTC.

        Of one model, or without its id of all models.
        """
        return Figures(usage_reports.trends(self._asked(model_id), days, registry=self.registry).as_dict())

    def get_performance_metrics(self, model_id: str | None = None, days: int = 30) -> Figures:
        """avg_, p50_, p95_ and p99_response_time (s), tokens_per_second, success_rate (0..1) and more."""
        return Figures(usage_reports.metrics(self._asked(model_id), days, registry=self.registry).as_dict())

    def generate_performance_report(
        self, start_date: Day = None, end_date: Day = None, models: Collection[str] | None = None
    ) -> Figures:
        """period, total_inferences, total_tokens, avg_latency (s), most_used_model, `models` and `days`.

        Both ends are included; days are UTC. `models`: ids, default all. ValueError for what is no day or no model.
        """
        return Figures(usage_reports.report(self.registry, start_date, end_date, models).as_dict())

    def _asked(self, model_id: str | None) -> LanguageModel | None:
        return None if model_id is None else reading.model_named(self.registry, model_id)
