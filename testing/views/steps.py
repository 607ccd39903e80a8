"""The five steps of a context test, each with what it did or will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from testing.models import ContextTest, Probe
from testing.models.context_test import Phase
from testing.views.evidence import READS, Bracket

ORDER = list(Phase)


@dataclass(frozen=True)
class Step:
    """`kind` is done, now, broke, halted (cancelled there) or todo."""

    label: str
    note: str
    kind: str


def steps_of_test(test: ContextTest, probes: Sequence[Probe], stage: str) -> list[Step]:
    """All five in order; `stage` as in `context_test.stage_of`."""
    notes = {
        Phase.SMALL: _small(test, probes),
        Phase.ESTIMATE: _estimate(test),
        Phase.BRACKET: _bracket(probes),
        Phase.FILL: _fill(probes),
        Phase.PUT_BACK: _put_back(test),
    }
    return [Step(str(phase.label), notes[phase], _kind(phase, test, probes, stage)) for phase in ORDER]


def _kind(phase: Phase, test: ContextTest, probes: Sequence[Probe], stage: str) -> str:
    place, reached = ORDER.index(phase), ORDER.index(Phase(test.phase))
    if phase == Phase.PUT_BACK and (test.put_back or stage == "done"):
        return "done"
    if stage == "done":
        return _ended(phase, test, probes)
    if stage == "waiting" or place > reached:
        return "todo"
    here = {"running": "now", "failed": "broke"}.get(stage, "halted")
    return here if place == reached else "done"


def _ended(phase: Phase, test: ContextTest, probes: Sequence[Probe]) -> str:
    """Of a finished test: the step at which no size was left is broken, those after it were not reached."""
    if test.tested_context:
        return "done"
    loaded = any(probe.good for probe in probes if probe.kind not in READS)
    broken = Phase.FILL if loaded else Phase.SMALL
    place, end = ORDER.index(phase), ORDER.index(broken)
    return "broke" if place == end else "done" if place < end else "todo"


def _small(test: ContextTest, probes: Sequence[Probe]) -> str:
    first = probes[0] if probes else None
    if first is None:
        size = test.fixed_context or min(2048, test.model.declared_context or 2048)
        return f"does {size:,} load and answer?"
    if not first.verdict:
        return f"trying {first.requested:,}"
    return f"{first.requested:,} loads and answers" if first.good else f"{first.requested:,}: {first.verdict}"


def _estimate(test: ContextTest) -> str:
    if test.fixed_context:
        return "not needed, one size was asked for"
    if test.estimate_told:
        return test.estimate_told
    return "none, the search starts from what is declared"


def _bracket(probes: Sequence[Probe]) -> str:
    loads = [probe for probe in probes if probe.kind not in READS]
    if len(loads) < 2:
        return "larger sizes until one fails"
    now = Bracket.after(loads)
    told = f"{len(loads)} probes"
    if now.low and now.high:
        return f"{told}, {now.high - now.low:,} tokens apart"
    return f"{told}, none has failed" if now.low else f"{told}, none works yet"


def _fill(probes: Sequence[Probe]) -> str:
    reads = [probe for probe in probes if probe.kind in READS]
    if not reads:
        return "read 95 % of it to the end"
    last = reads[-1]
    return f"{last.requested:,}: {last.verdict}" if last.verdict else f"reading {last.requested:,}"


def _put_back(test: ContextTest) -> str:
    found = [item for item in test.found or [] if isinstance(item, dict)]
    if test.found is None:
        return "what was loaded before"
    if not found:
        return "nothing was loaded before"
    first, size = found[0], found[0].get("context_length")
    told = f"{first.get('model', 'one model')}" + (f" at {size:,}" if isinstance(size, int) else "")
    return told + (f" and {len(found) - 1} more" if len(found) > 1 else "")
