"""What probes prove, made ready for drawing: the bracket step by step, the memory they needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from registry.templatetags.drawing import Scale
from registry.templatetags.figures import plain_size
from registry.templatetags.instruments import verdict_kind
from testing.models import ContextTest, Probe
from testing.models.context_test import Verdict

READS = ("fill", "step down")


@dataclass(frozen=True)
class Bracket:
    """What is still possible: `low` works (0 = nothing yet), `high` is the smallest failure (None = none yet)."""

    low: int = 0
    high: int | None = None

    @classmethod
    def after(cls, probes: Sequence[Probe]) -> Bracket:
        steps = list(steps_of(probes))
        return steps[-1] if steps else cls()


def steps_of(probes: Sequence[Probe]) -> Iterable[Bracket]:
    """The bracket after each probe; interrupted and unfinished ones prove nothing.

    A size that loads but fails when it is filled counts as failed from then on, and what a server applied
    although more was asked counts as working.
    """
    works: set[int] = set()
    fails: set[int] = set()
    for probe in probes:
        if probe.good:
            works.add(probe.requested)
        elif probe.verdict and probe.verdict != Verdict.INTERRUPTED:
            fails.add(probe.requested)
            works.discard(probe.requested)
            if probe.applied and probe.applied < probe.requested and probe.kind not in READS:
                works.add(probe.applied)
        low = max(works, default=0)
        yield Bracket(low, min((size for size in fails if size > low), default=None))


def left_open(test: ContextTest, probes: Sequence[Probe]) -> bool:
    """Whether larger sizes were not tried because the test was told to stop: what it found works, but is no limit."""
    tested, declared = test.tested_context, test.model.declared_context
    if not tested or not (test.threshold or test.fixed_context) or (declared and tested >= declared):
        return False
    return Bracket.after(probes).high is None


def chart_of(probes: Sequence[Probe], declared: int | None, tested: int | None) -> dict[str, Any]:
    """Numbers of the probe chart: every probe, the band after each, the two lines, exponents of the axis."""
    sizes = [size for size in (declared, tested, *(probe.requested for probe in probes)) if size]
    # not the ruler's 256k: for a small model half of the picture would be empty
    scale = Scale.holding(*sizes, fixed=False)
    # a size right at an edge needs air for its label
    top = scale.high + (max(sizes, default=0) > 2 ** (scale.high - 0.35))
    bottom = scale.low - (min(sizes, default=2**scale.high) < 2 ** (scale.low + 0.35))
    band = [
        {
            "from": number, "to": number + 1 if number < len(probes) else number + 0.6,
            "low": max(step.low, 2**bottom), "high": max(step.high or declared or 2**top, 2**bottom),
        }
        for number, step in enumerate(steps_of(probes), 1)
    ]  # fmt: skip
    dots = [
        {
            "n": number, "size": probe.requested, "kind": verdict_kind(probe.verdict),
            "verdict": probe.verdict or "under way", "why": probe.kind,
        }
        for number, probe in enumerate(probes, 1)
    ]  # fmt: skip
    return {
        "declared": declared, "tested": tested, "bottom": bottom, "top": top, "bracket": band, "probes": dots,
    }  # fmt: skip


@dataclass(frozen=True)
class MemoryLine:
    """Bytes against tokens: a line through what refusals named, else through what was measured."""

    base: float
    slope: float

    @classmethod
    def through(cls, points: Sequence[tuple[int, int]]) -> MemoryLine | None:
        """The line through the outermost points; None unless memory clearly grows with the context."""
        spread = sorted(set(points))
        if len(spread) < 2 or spread[-1][0] == spread[0][0]:
            return None
        (x0, y0), (x1, y1) = spread[0], spread[-1]
        slope = (y1 - y0) / (x1 - x0)
        return cls(y0 - slope * x0, slope) if slope >= 1 else None

    def at(self, tokens: float) -> float:
        return self.base + self.slope * tokens

    def crossing(self, limit: int) -> int | None:
        """Tokens at which `limit` bytes are reached."""
        place = (limit - self.base) / self.slope
        return int(place) if place > 0 else None


@dataclass(frozen=True)
class MemoryFit:
    """The memory chart of a test, with its heading."""

    chart: dict[str, Any]
    heading: str
    rows: list[tuple[int, str, str]]

    @classmethod
    def of(cls, probes: Sequence[Probe], limit: int | None) -> MemoryFit | None:
        """None when no probe told anything about memory."""
        needed = [(p.requested, p.needed_bytes) for p in probes if p.needed_bytes]
        measured = [(p.requested, p.peak_memory_bytes) for p in probes if p.good and p.peak_memory_bytes]
        if not needed and not measured:
            return None
        line = MemoryLine.through(needed) or MemoryLine.through(measured)
        heading = "What each size takes in memory"
        if line:
            heading = f"Every 1,000 tokens cost {plain_size(round(line.slope * 1000))}"
        rows = [(size, "needed, said the server", plain_size(n)) for size, n in needed]
        rows += [(size, "measured", plain_size(n)) for size, n in measured]
        return cls(_memory_chart(needed, measured, line, limit), heading, sorted(rows))


def _memory_chart(
    needed: list[tuple[int, int]], measured: list[tuple[int, int]], line: MemoryLine | None, limit: int | None
) -> dict[str, Any]:
    """Sizes in tokens against GB; refusals far beyond the limit are left out so that the crossing can be seen."""
    crossing = line.crossing(limit) if line and limit else None
    furthest = max(size for size, _ in (*needed, *measured))
    if crossing and crossing > 4 * furthest:
        crossing = None  # too far from what was seen to be drawn
    max_x = _round_up(max(min(furthest, 4 * crossing), crossing) if crossing else furthest)
    inside = [count for size, count in (*needed, *measured) if size <= max_x]
    ends = [line.at(0), line.at(max_x)] if line else []
    values = [*inside, *ends, *([limit] if limit else [])]
    step = _nice(max(max(values) - min(values), max(values) * 0.05) / 4 / 1e9)
    return {
        "needed": _in_gigabytes(needed, max_x), "measured": _in_gigabytes(measured, max_x),
        "fit": [[0, ends[0] / 1e9], [max_x, ends[1] / 1e9]] if line else None,
        "limit": limit / 1e9 if limit else None, "limit_text": f"{plain_size(limit)} for models" if limit else "",
        "crossing": [crossing, (limit or 0) / 1e9] if crossing else None,
        "max_x": max_x, "step_y": step,
        "min_y": floor(min(values) / 1e9 / step) * step, "max_y": ceil(max(values) / 1e9 / step) * step,
    }  # fmt: skip


def _in_gigabytes(points: list[tuple[int, int]], max_x: int) -> list[list[float]]:
    return [[size, count / 1e9] for size, count in points if size <= max_x]


def _nice(step: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step)


def _round_up(tokens: int) -> int:
    """The next size that four even ticks name well: quarters are whole k."""
    step = 4096
    while tokens > 8 * step:
        step *= 2
    return ceil(tokens / step) * step
