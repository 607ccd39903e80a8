"""Finds the largest context length that loads, by asking and telling; pure, so it is rebuilt from Probe rows.

Without an estimate: double upwards from a small size, or take the declared size first where that is safe. With one:
try it, gallop 1, 2, 4 ... % until the limit is bracketed, then bisect. Sizes are multiples of `GRAIN` (servers round
up to 256 tokens anyway, so finer steps learn nothing); the declared size itself may be any number.
"""

from dataclasses import dataclass, field
from enum import StrEnum

GRAIN = 256
SMALL = 2048
SAFE_DECLARED = 16_384  # a declared size up to this is tried at once
MAX = 2**24  # no model reads more; ends the search where nothing is declared
PATIENCE = 12  # after so many probes estimates are no longer listened to
SAFE_FACTOR = 1.25  # without a guardrail never load further above the estimate than this


class Why(StrEnum):
    """Why a size is tried."""

    SMALL = "try small"
    SMALLER = "smaller"
    FIXED = "asked for"
    DECLARED = "declared"
    ESTIMATE = "estimate"
    GALLOP = "gallop"
    DOUBLE = "double"
    HALF = "half"
    BISECT = "bisect"
    FILL = "fill"
    STEP_DOWN = "step down"


@dataclass(frozen=True)
class Tried:
    """What a size did: `good` = it loads and answers; `needed_bytes` and `memory_bytes` feed the estimate."""

    size: int
    good: bool
    needed_bytes: int | None = None
    memory_bytes: int | None = None
    applied: int | None = None


@dataclass
class ContextSearch:
    """`next_probe()` says which size to try and why, `record()` takes what happened, `result` is the answer.

    `declared`: tokens, None = unknown. `ceiling`: never above this. `estimate`: tokens, or None.
    `guarded`: the server refuses loads that do not fit, so a large one is safe to try.
    `limit_bytes`: memory for models on the server; with it refusals and measurements become an estimate.
    """

    declared: int | None
    ceiling: int | None = None
    estimate: int | None = None
    tolerance: float = 0.01
    guarded: bool = False
    force: bool = False
    limit_bytes: int | None = None
    correction: float = 1.0
    tried: list[Tried] = field(default_factory=list)

    def record(self, tried: Tried) -> None:
        self.tried.append(tried)
        self.guarded = self.guarded or tried.needed_bytes is not None

    @property
    def top(self) -> int:
        """The largest size that may be tried at all."""
        return min(end for end in (self.declared, self.ceiling, MAX) if end)

    @property
    def low(self) -> int:
        """Largest size that works; what a server applied although more was asked works too."""
        good = [t.size for t in self.tried if t.good]
        cut = [_down(t.applied) for t in self.tried if not t.good and t.applied and t.applied < t.size]
        return max([*good, *(size for size in cut if good)], default=0)

    @property
    def high(self) -> int | None:
        """Smallest size above `low` that failed; a failure below a success was a fluke.

        A server that twice applied the same size whatever was asked does not go beyond it.
        """
        failed = [t.size for t in self.tried if not t.good]
        cuts = [_down(t.applied) for t in self.tried if not t.good and t.applied and t.applied < t.size]
        failed += [cut + GRAIN for cut in cuts if cuts.count(cut) > 1]
        return min((size for size in failed if size > self.low), default=None)

    @property
    def closed(self) -> bool:
        """Whether nothing is left to learn: the bracket is within the tolerance, or the top works."""
        if not self.tried:
            return False
        if self.high is None:
            return self.low >= self.reach
        if self.low == 0:
            return self.high <= GRAIN
        return self.high - self.low <= self.step(self.low)

    @property
    def result(self) -> int | None:
        """The largest size that works, once the search is closed; 0 = none does."""
        return self.low if self.closed else None

    @property
    def reach(self) -> int:
        """The largest size that is tried: the top, or less where only the estimate stands between it and a crash."""
        guess = self.guess
        if guess is None or self.guarded or self.force:
            return self.top
        return min(self.top, max(_down(guess * SAFE_FACTOR), self.low, SMALL))

    def step(self, size: int) -> int:
        """Tolerance at `size` in tokens: 1 %, at least one grain."""
        return max(GRAIN, _down(size * self.tolerance))

    def next_probe(self) -> tuple[int, Why] | None:
        """The next size and why; None when the search is closed."""
        if self.closed:
            return None
        if not self.tried:
            return min(SMALL, self.top), Why.SMALL
        if self.low == 0 and not (self.estimate and self.estimate < (self.high or 0)):
            return max(GRAIN, _down((self.high or SMALL) // 2)), Why.SMALLER
        asked = self._second_refusal() or self._by_estimate() or self._without_estimate()
        return self._inside(asked[0]), asked[1]

    def _second_refusal(self) -> tuple[int, Why] | None:
        """The top once more, where the guardrail told its gigabytes once: two numbers give a line, a refusal is cheap.

        It is the only probe above a size that failed, and it is made at most once.
        """
        told = {t.size for t in self.tried if t.needed_bytes}
        if self.estimate or self.limit_bytes is None or len(told) != 1 or self.top <= 2 * max(told):
            return None
        return self.top, Why.DECLARED

    def _inside(self, size: int) -> int:
        """`size` moved into what is still open: above `low`, below `high`, at most the reach."""
        if self.high is None or size == self.top:
            return min(max(size, self.low + GRAIN), self.reach)
        return min(max(_down(size), self.low + GRAIN), _down(self.high - 1))

    def _without_estimate(self) -> tuple[int, Why]:
        top = self.top
        if self.low == 0:
            return GRAIN, Why.SMALLER
        if self.high is not None:
            half = (self.low * self.high) ** 0.5 if self.high > 2 * self.low else (self.low + self.high) / 2
            return _down(half), Why.HALF if self.high > 2 * self.low else Why.BISECT
        if self.guarded or top <= SAFE_DECLARED or top <= 2 * self.low:
            return top, Why.DECLARED
        return 2 * self.low, Why.DOUBLE

    def _by_estimate(self) -> tuple[int, Why] | None:
        guess = self.guess
        if guess is None or len(self.tried) > PATIENCE:
            return None
        guess = min(guess, self.top)
        if self.low < guess and (self.high is None or guess < self.high):
            return guess, Why.ESTIMATE
        return self._gallop(guess) if self._near(guess) or guess == self.estimate else None

    def _near(self, guess: int) -> bool:
        """Whether what is known does not contradict `guess`: the bracket is within a tenth of it."""
        return self.low <= guess * 1.1 and (self.high is None or self.high >= guess * 0.9)

    def _gallop(self, guess: int) -> tuple[int, Why]:
        """Away from the estimate by 1, 2, 4 ... % until one side works and the other fails; then bisect."""
        stride = self.step(guess)
        if self.low >= guess:
            while guess + stride <= self.low:
                stride *= 2
            wanted = guess + stride
        else:
            while guess - stride >= (self.high or guess) and stride < guess:
                stride *= 2
            wanted = guess - stride
        if self.low < wanted and (self.high is None or wanted < self.high):
            return wanted, Why.GALLOP
        return _down((self.low + (self.high or wanted)) / 2), Why.BISECT

    @property
    def guess(self) -> int | None:
        """The best estimate of the limit in tokens: a line through what the server told or memory showed, else given.

        bytes(size) = a + b * size is exact for attention caches that grow with the context; its crossing with the
        server's memory limit is the estimate.
        """
        line = self._line()
        if line is None or self.limit_bytes is None or (self.estimate and self._near(self.estimate)):
            return self.estimate
        base, slope = line
        return max(GRAIN, round((self.limit_bytes - base) / slope / GRAIN) * GRAIN)

    @property
    def learned_correction(self) -> float | None:
        """True limit / limit that measured memory promised; None where nothing was bracketed or measured."""
        measured = sorted({(t.size, t.memory_bytes) for t in self.tried if t.good and t.memory_bytes})
        slope = _slope(measured)
        if slope is None or self.limit_bytes is None or self.high is None:
            return None
        size, held = measured[-1]
        promised = size + (self.limit_bytes - held) / slope
        return self.low / promised if promised >= GRAIN else None

    def _line(self) -> tuple[float, float] | None:
        refused = sorted({(t.size, t.needed_bytes) for t in self.tried if t.needed_bytes})
        measured = sorted({(t.size, t.memory_bytes) for t in self.tried if t.good and t.memory_bytes})
        slope = _slope(refused) or _slope(measured)
        if slope is None:
            return None
        size, needed = refused[0] if refused else measured[-1]
        base = needed - slope * size
        if not refused and self.correction != 1.0 and self.limit_bytes:
            # what is measured is not what the server counts: earlier tests here showed by how much
            crossing = (self.limit_bytes - base) / slope
            base = self.limit_bytes - slope * crossing * self.correction
        return base, slope


def _slope(points: list[tuple[int, int]]) -> float | None:
    """Bytes per token from the outermost points; None unless memory clearly grows."""
    if len(points) < 2 or points[-1][0] - points[0][0] < GRAIN:
        return None
    slope = (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])
    return slope if slope >= 1 else None


def _down(size: float) -> int:
    """`size` rounded down to the grain, never below it."""
    return max(GRAIN, int(size) // GRAIN * GRAIN)
