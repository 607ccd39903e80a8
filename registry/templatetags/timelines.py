"""The timeline of a model's states as a bar; the table beside it holds the same in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django import template
from django.utils.safestring import SafeString

from registry.models.language_model import State
from registry.states import Span
from registry.templatetags.drawing import el, pct
from registry.templatetags.figures import duration

register = template.Library()

HEIGHT, LOW = 22, 4  # pixels: of a state in memory, of one that is not
NARROWEST = 0.002  # share of the bar: narrower ones are drawn as wide as this
TICKS = 4
LOOKS = {
    State.LOADED: ("i-ok", HEIGHT),
    State.ACTIVE: ("i-busy", HEIGHT),
    State.LOADING: ("i-busy-mid", HEIGHT // 2),
    State.UNLOADING: ("i-busy-mid", HEIGHT // 2),
    State.ERROR: ("i-bad", HEIGHT),
    State.UNLOADED: ("i-decl", LOW),
}


@register.simple_tag
def state_bar(spans: Iterable[Span], since: datetime, now: datetime) -> SafeString:
    """One row from `since` to `now`: high and coloured in memory, low where not, dotted where nobody could look."""
    parts = [el("rect", klass="i-track", x=0, y=HEIGHT - 1, width="100%", height=1)]
    parts += [_drawn(span, left, width, now) for span, left, width in _placed(spans, since, now)]
    for number in range(TICKS + 1):
        share = number / TICKS
        anchor = "start" if number == 0 else "end" if number == TICKS else "middle"
        at = since + (now - since) * share
        parts.append(el("text", _tick(at, now, since), klass="i-tick", x=pct(share), y=HEIGHT + 14, text_anchor=anchor))
    return el("svg", *parts, klass="timeline", width="100%", height=HEIGHT + 18, role="img",
              aria_label=_told(list(spans), since, now))  # fmt: skip


def _placed(spans: Iterable[Span], since: datetime, now: datetime) -> Iterator[tuple[Span, float, float]]:
    """Each span with its left edge and width, 0..1; of many short ones at one place the first is drawn."""
    whole, until = (now - since).total_seconds(), 0.0
    for span in spans:
        left = (span.began - since).total_seconds() / whole
        right = ((span.ended or now) - since).total_seconds() / whole
        left = max(left, until)
        if right <= left:
            continue
        width = max(right - left, NARROWEST)
        until = left + width
        yield span, left, min(width, 1 - left)


def _drawn(span: Span, left: float, width: float, now: datetime) -> SafeString:
    klass, height = LOOKS[span.state] if span.known else ("i-unseen", LOW)
    state = span.state if span.known else "nobody could look"
    lasted = duration(span.seconds(now))
    title = el("title", f"{state} for {lasted}, from {span.began:%d %b %H:%M:%S} UTC")
    return el("rect", title, klass=klass, x=pct(left), y=HEIGHT - height, width=pct(width), height=height)


def _tick(at: datetime, now: datetime, since: datetime) -> str:
    if at == now:
        return "now"
    return f"{at:%H:%M}" if now - since <= timedelta(days=2) else f"{at.day} {at:%b}"


def _told(spans: list[Span], since: datetime, now: datetime) -> str:
    """The sums, for who does not see the bar."""
    sums: dict[str, float] = {}
    for span in spans:
        name = str(span.state) if span.known else "not known"
        sums[name] = sums.get(name, 0.0) + span.seconds(now)
    told = ", ".join(f"{name} {duration(seconds)}" for name, seconds in sums.items())
    return f"the last {duration((now - since).total_seconds())}: {told or 'nothing is known'}"
