"""The lanes of the usage page: for each question a sentence that answers it, the figures and the drawing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from registry.models.usage import Period
from registry.templatetags.figures import duration, words
from registry.usage_sums import DAY, Use, Window, total

GOOD = 0.95  # a time in which fewer are answered is a bad one


@dataclass(frozen=True)
class Point:
    """An hour, a day or a week (UTC) and what was asked in it."""

    at: datetime
    unit: str
    of: Use

    @property
    def label(self) -> str:
        return f"{self.at:%H:%M}" if self.unit == "hour" else f"{self.at.day} {self.at:%b}"

    @property
    def told(self) -> str:
        """For the middle of a sentence."""
        if self.unit == "hour":
            return f"at {self.at:%H:%M}"
        day = f"{self.at.day} {self.at:%B}"
        return f"on {day}" if self.unit == "day" else f"in the week from {day}"

    @cached_property
    def p50(self) -> float | None:
        return self.of.p50

    @cached_property
    def p95(self) -> float | None:
        return self.of.p95


def points(window: Window, found: dict[datetime, Use], days: int = 1) -> list[Point]:
    """The window in its steps, or in pieces of `days` days."""
    unit = "hour" if window.period == Period.HOUR else "day" if days == 1 else "week"
    starts = window.starts
    empty = Use()
    if days == 1:
        return [Point(at, unit, found.get(at, empty)) for at in starts]
    pieces = [starts[first : first + days] for first in range(0, len(starts), days)]
    return [Point(piece[0], unit, total(found[at] for at in piece if at in found)) for piece in pieces]


@dataclass(frozen=True)
class Lanes:
    """What the page says about these points."""

    points: list[Point]
    whole: Use

    @property
    def unit(self) -> str:
        return self.points[0].unit

    @property
    def asked(self) -> list[Point]:
        return [point for point in self.points if point.of.requests]

    @property
    def average(self) -> float:
        """Requests in one hour, day or week."""
        return self.whole.requests / len(self.points)

    @property
    def busiest(self) -> Point:
        return max(self.points, key=lambda point: point.of.requests)

    @property
    def tokens_told(self) -> str:
        read, written = self.whole.tokens_in, self.whole.tokens_out
        if not read or not written:
            return f"Tokens by {self.unit}"
        more, less = ("read", "written") if read >= written else ("written", "read")
        times = round(max(read, written) / min(read, written))
        if times < 2:
            return "About as many tokens read as written"
        return f"About {words(times)} tokens {more} for each one {less}"

    @property
    def time_told(self) -> str:
        median = self.whole.quantile(0.5)
        return "No time was measured" if median is None else f"Half of all answers come within {duration(median)}"

    @property
    def first_token(self) -> float | None:
        return self.whole.quantile(0.5, "ttfts")

    @property
    def answered_told(self) -> str:
        if not self.whole.unanswered:
            return "Every request was answered"
        if len(self.asked) == 1:
            return "Not every request was answered"
        bad = sum(1 for point in self.asked if (point.of.success_rate or 0) < GOOD)
        plural = "" if bad == 1 else "s"
        return f"{words(bad).capitalize()} bad {self.unit}{plural} in {words(len(self.asked))}"

    @property
    def why_not(self) -> str:
        """How those ended that were not answered."""
        counts = self.whole.counts
        parts = (("errors", "failed"), ("refused", "refused"), ("interrupted", "interrupted"))
        told = [f"{counts[name]:,} {word}" for name, word in parts if counts[name]]
        return ", ".join(told)

    def charts(self) -> dict[str, dict[str, Any]]:
        """The numbers of the four drawings; null where nothing was asked."""
        labels = [point.label for point in self.points]
        requests = [
            {"name": "answered", "colour": "data", "values": [point.of.answered for point in self.points]},
            {"name": "not answered", "colour": "bad-fill", "values": [point.of.unanswered for point in self.points]},
        ]
        tokens = [
            {"name": "read", "colour": "data-weak", "values": [point.of.tokens_in for point in self.points]},
            {"name": "written", "colour": "data", "values": [point.of.tokens_out for point in self.points]},
        ]
        if any(point.of.counts["tokens_unsplit"] for point in self.points):
            unsplit = [point.of.counts["tokens_unsplit"] for point in self.points]
            tokens.append({"name": "told as one", "colour": "idle-fill", "values": unsplit})
        rates = [point.of.success_rate for point in self.points]
        return {
            "requests": {"labels": labels, "parts": requests},
            "tokens": {"labels": labels, "parts": tokens},
            "times": {
                "labels": labels,
                "p50": [_rounded(point.p50) for point in self.points],
                "p95": [_rounded(point.p95) for point in self.points],
            },
            "rates": {"labels": labels, "values": [None if rate is None else round(rate * 100, 2) for rate in rates]},
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def span_told(window: Window) -> str:
    """26 October to 24 November."""
    last = window.end - (DAY if window.period == Period.DAY else window.step)
    if window.period == Period.HOUR:
        return f"{window.start.day} {window.start:%B %H:%M} to now"
    year = "" if window.start.year == last.year else f" {window.start:%Y}"
    return f"{window.start.day} {window.start:%B}{year} to {last.day} {last:%B}{f' {last:%Y}' if year else ''}"
