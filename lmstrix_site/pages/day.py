"""The last 24 hours of requests, in four figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from registry.models import Registry
from registry.usage_rollups import Whose, sums, totals
from registry.usage_sums import Use, Window, change, total

HOURS = 24


@dataclass(frozen=True)
class Day:
    """Sums of the last 24 hours and of the 24 before, and each hour of the last ones."""

    whole: Use
    before: Use
    hours: list[Use]

    @property
    def requests(self) -> list[int]:
        return [hour.requests for hour in self.hours]

    @property
    def tokens(self) -> list[int]:
        return [hour.tokens for hour in self.hours]

    @property
    def slow(self) -> list[int]:
        """p95 of each hour in milliseconds, 0 where nothing was asked."""
        return [round((hour.p95 or 0) * 1000) for hour in self.hours]

    @property
    def unanswered(self) -> list[int]:
        return [hour.unanswered for hour in self.hours]

    @property
    def change(self) -> str:
        """How many requests that is beside the day before."""
        before = self.before.requests
        return f"{change(self.whole.requests, before)} the day before" if before else "none the day before"


def day(registry: Registry, now: datetime) -> Day | None:
    """None when nothing was asked lately; two queries."""
    whose, window = Whose(registry), Window.hours(HOURS, now)
    by_hour = sums(whose.within(window), "start")
    if not by_hour:
        return None
    hours = [by_hour.get((start,), Use()) for start in window.starts]
    return Day(total(hours), total(totals(whose.within(window.before), "period").values()), hours)
