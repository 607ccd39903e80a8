"""What usage reports hold: figures by day and by model, and the keys under which programs read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from registry.usage_names import Named
from registry.usage_sums import Use, total


@dataclass(frozen=True)
class Trends:
    """Requests and tokens by day (UTC); days without any count as well."""

    days: list[tuple[date, Use]]
    month: Use  # the calendar month so far

    @property
    def daily_avg(self) -> float:
        return sum(of.requests for _, of in self.days) / len(self.days)

    @property
    def peak(self) -> tuple[date, Use] | None:
        """The day with most requests, the first of several."""
        busiest = max(self.days, key=lambda day: day[1].requests)
        return busiest if busiest[1].requests else None

    def as_dict(self) -> dict[str, Any]:
        """The guide's keys (`monthly_tokens` is of the calendar month) and the days; times in seconds."""
        whole, peak = total(of for _, of in self.days), self.peak
        return {
            "daily_avg": self.daily_avg,
            "peak_day": peak[0].isoformat() if peak else None,
            "peak_requests": peak[1].requests if peak else 0,
            "monthly_tokens": self.month.tokens,
            "total_inferences": whole.requests,
            "total_tokens": whole.tokens,
            "days": [_day(day, of) for day, of in self.days],
        }


def _day(day: date, of: Use) -> dict[str, Any]:
    return {
        "date": day.isoformat(),
        "inferences": of.requests,
        "answered": of.answered,
        "tokens": of.tokens,
        "tokens_in": of.tokens_in,
        "tokens_out": of.tokens_out,
        "avg_response_time": of.avg_response,
    }


@dataclass(frozen=True)
class Metrics:
    """How fast and how reliably requests were answered; percentiles are within 2 %."""

    of: Use

    def as_dict(self) -> dict[str, Any]:
        """The guide's keys and more; times in seconds, the rate 0..1, unknown is None."""
        of = self.of
        return {
            "avg_response_time": of.avg_response,
            "p50_response_time": of.quantile(0.5),
            "p95_response_time": of.quantile(0.95),
            "p99_response_time": of.quantile(0.99),
            "avg_time_to_first_token": of.avg_ttft,
            "p50_time_to_first_token": of.quantile(0.5, "ttfts"),
            "p95_time_to_first_token": of.quantile(0.95, "ttfts"),
            "p99_time_to_first_token": of.quantile(0.99, "ttfts"),
            "tokens_per_second": of.tokens_per_second,
            "success_rate": of.success_rate,
            "total_inferences": of.requests,
            "answered": of.answered,
            "errors": of.counts["errors"],
            "refused": of.counts["refused"],
            "interrupted": of.counts["interrupted"],
        }


@dataclass(frozen=True)
class Line:
    """One model in a report."""

    named: Named
    of: Use

    def as_dict(self, whole: int) -> dict[str, Any]:
        of = self.of
        return {
            "model": self.named.id or None,
            "name": self.named.name,
            "server": self.named.place or None,
            "gone": self.named.gone,
            "inferences": of.requests,
            "share": of.requests / whole if whole else None,
            "answered": of.answered,
            "success_rate": of.success_rate,
            "tokens": of.tokens,
            "tokens_in": of.tokens_in,
            "tokens_out": of.tokens_out,
            "avg_latency": of.avg_response,
            "p50_latency": of.quantile(0.5),
            "p95_latency": of.quantile(0.95),
            "p99_latency": of.quantile(0.99),
            "tokens_per_second": of.tokens_per_second,
        }


@dataclass(frozen=True)
class Report:
    """What a registry's models answered from one day to another, both included (UTC)."""

    registry: str
    start: date
    end: date
    whole: Use
    lines: list[Line]  # most used first
    days: list[tuple[date, Use]]

    @property
    def period(self) -> str:
        return f"{self.start.isoformat()} to {self.end.isoformat()}"

    @property
    def most_used(self) -> Line | None:
        return self.lines[0] if self.lines and self.lines[0].of.requests else None

    def as_dict(self) -> dict[str, Any]:
        """The guide's keys and more; times in seconds, rates 0..1, unknown is None."""
        most, whole = self.most_used, self.whole
        return {
            "registry": self.registry,
            "period": self.period,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "total_inferences": whole.requests,
            "total_tokens": whole.tokens,
            "tokens_in": whole.tokens_in,
            "tokens_out": whole.tokens_out,
            "avg_latency": whole.avg_response,
            "p50_latency": whole.quantile(0.5),
            "p95_latency": whole.quantile(0.95),
            "p99_latency": whole.quantile(0.99),
            "tokens_per_second": whole.tokens_per_second,
            "success_rate": whole.success_rate,
            "most_used_model": (most.named.id or most.named.name) if most else None,
            "models": [line.as_dict(whole.requests) for line in self.lines],
            "days": [_day(day, of) for day, of in self.days],
        }
