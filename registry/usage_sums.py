"""What requests add up to, and windows of whole hours and days in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from registry.models.usage import Period
from registry.sketches import Sketch
from registry.summing import COUNTS, SKETCHES

SECOND = 1_000_000  # microseconds
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Use:
    """Sums of requests; whole numbers and counts by bucket, so that adding loses nothing. Rates are None for none."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    buckets: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in SKETCHES})

    def add(self, other: Use) -> None:
        for name, count in other.counts.items():
            self.counts[name] += count
        for name, more in other.buckets.items():
            if more:
                pour(self.buckets[name], more)

    @property
    def requests(self) -> int:
        return self.counts["requests"]

    @property
    def answered(self) -> int:
        return self.counts["ok"]

    @property
    def unanswered(self) -> int:
        return self.requests - self.answered

    @property
    def tokens_in(self) -> int:
        return self.counts["tokens_in"]

    @property
    def tokens_out(self) -> int:
        return self.counts["tokens_out"]

    @property
    def tokens(self) -> int:
        """Read, written, and those that were told as one number."""
        return self.tokens_in + self.tokens_out + self.counts["tokens_unsplit"]

    @property
    def success_rate(self) -> float | None:
        """Answered of all requests, 0..1; refused and interrupted ones count as not answered."""
        return self.answered / self.requests if self.requests else None

    @property
    def seconds(self) -> float:
        """Time in which models worked on requests."""
        return self.counts["duration_us"] / SECOND

    @property
    def avg_response(self) -> float | None:
        """Seconds from request to last byte, on average."""
        return _quotient(self.counts["duration_us"], self.counts["duration_count"])

    @property
    def avg_ttft(self) -> float | None:
        """Seconds until the first token, on average."""
        return _quotient(self.counts["ttft_us"], self.counts["ttft_count"])

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens written a second while they came: after the first token of a stream, else in all of the time."""
        spent = self.counts["generation_us"]
        return self.counts["generated_tokens"] * SECOND / spent if spent else None

    @property
    def p50(self) -> float | None:
        """Seconds within which half of the requests were answered."""
        return self.quantile(0.5)

    @property
    def p95(self) -> float | None:
        return self.quantile(0.95)

    @property
    def p99(self) -> float | None:
        return self.quantile(0.99)

    def quantile(self, q: float, of: str = "durations") -> float | None:
        """Seconds within which a share `q` of the requests was answered, to 2 %."""
        buckets = self.buckets[of]
        if not buckets:
            return None
        told = Sketch.from_json(buckets).quantile(q)
        return None if told is None else told / SECOND


def _quotient(microseconds: int, count: int) -> float | None:
    return microseconds / count / SECOND if count else None


def pour(into: dict[str, int], more: dict[str, int]) -> None:
    """Adds the counts of one sketch to another."""
    get = into.get
    for bucket, count in more.items():
        into[bucket] = get(bucket, 0) + count


@dataclass(frozen=True)
class Window:
    """`count` hours or days from `start` on (UTC)."""

    period: Period
    start: datetime
    count: int

    @classmethod
    def hours(cls, count: int, now: datetime) -> Window:
        """The last hours, the one under way among them."""
        this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return cls(Period.HOUR, this - (count - 1) * HOUR, count)

    @classmethod
    def days(cls, count: int, now: datetime) -> Window:
        """The last days, today among them."""
        return cls(Period.DAY, midnight(now.astimezone(UTC).date()) - (count - 1) * DAY, count)

    @classmethod
    def between(cls, first: date, last: date) -> Window:
        """From one day to another, both included."""
        return cls(Period.DAY, midnight(first), (last - first).days + 1)

    @property
    def step(self) -> timedelta:
        return HOUR if self.period == Period.HOUR else DAY

    @property
    def end(self) -> datetime:
        return self.start + self.count * self.step

    @property
    def before(self) -> Window:
        """As long, just before this one."""
        return Window(self.period, self.start - self.count * self.step, self.count)

    @property
    def starts(self) -> list[datetime]:
        return [self.start + number * self.step for number in range(self.count)]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def total(of: Iterable[Use]) -> Use:
    """All of them together."""
    together = Use()
    for one in of:
        together.add(one)
    return together


def change(now: int, before: int) -> str:
    """How many that is beside what was before (not 0): 18 % more than, 12 times as many as."""
    percent = round((now / before - 1) * 100)
    if percent >= 900:
        return f"{now / before:,.0f} times as many as"
    if percent == 0:
        return "as many as"
    return f"{abs(percent)} % {'more' if percent > 0 else 'fewer'} than"
