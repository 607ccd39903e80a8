"""Draws usage: amounts in few digits, shares, sparklines and the hours of the week."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.safestring import SafeString

from registry.templatetags.drawing import el, pct
from registry.templatetags.figures import UNKNOWN

register = template.Library()

STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LEVELS = 5  # of the heatmap, above nothing
GUTTER, ROW, CELL = 34, 22, 19  # pixels: beside the hours for the names of days, from row to row, of a cell


@register.filter
def amount(count: int | str | None) -> str:
    """61200000 -> 61.2 M, 612345 -> 612 k, 9870 -> 9,870."""
    if count is None or isinstance(count, str):
        return UNKNOWN
    for step, unit in STEPS:
        if count >= step:
            value = count / (1e3 if unit == "k" else step)
            return f"{value:,.0f} {unit}" if value >= 100 or unit == "k" else f"{value:.1f} {unit}"
    return f"{count:,}"


@register.filter
def of_hundred(share: float | str | None) -> str:
    """0.998 -> 99.8 %; only all is 100 %, and only none is 0 %."""
    if share is None or isinstance(share, str):
        return UNKNOWN
    if share in (0, 1):
        return f"{share * 100:.0f} %"
    return f"{min(max(share * 100, 0.1), 99.9):.1f} %"


@register.simple_tag
def spark(values: Sequence[int], width: int = 110, height: int = 22) -> SafeString | str:
    """A line over time without axes: how it went, not how much it was."""
    if not values:
        return ""
    top, step = max(values) or 1, width / max(len(values) - 1, 1)
    points = [(n * step, height - 2 - value / top * (height - 4)) for n, value in enumerate(values)]
    line = " ".join(f"{'L' if n else 'M'}{x:.1f},{y:.1f}" for n, (x, y) in enumerate(points))
    area = el("path", klass="area", d=f"{line} L{points[-1][0]:.1f},{height} L0,{height}Z")
    size = {"viewBox": f"0 0 {width} {height}", "preserveAspectRatio": "none", "width": width, "height": height}
    return el("svg", area, el("path", klass="line", d=line), klass="spark", aria_hidden="true", **size)


@register.simple_tag
def week(hours: Sequence[Sequence[int]]) -> SafeString:
    """Requests by weekday (Monday first) and hour; the darker, the more."""
    most = max(max(row) for row in hours) or 1
    names = [el("text", day, klass="i-tick", x="0", y=str(14 + n * ROW)) for n, day in enumerate(DAYS)]
    cells = [_cell(day, hour, count, most) for day, row in enumerate(hours) for hour, count in enumerate(row)]
    ticks = [
        el("text", f"{hour:02}:00", klass="i-tick", x=pct(hour / 24), y=str(7 * ROW + 14)) for hour in (0, 6, 12, 18)
    ]
    label = "Requests by weekday and hour, UTC; the numbers are in the table below"
    days = el("svg", *names, klass="how-days", width=str(GUTTER))
    return el("div", days, el("svg", *cells, *ticks, klass="how-in"), klass="how", role="img", aria_label=label)


def _cell(day: int, hour: int, count: int, most: int) -> SafeString:
    level = 0 if not count else max(1, -(-count * LEVELS // most))
    title = el("title", f"{DAYS[day]} {hour:02}:00: {count:,} request{'' if count == 1 else 's'}")
    place = {"x": pct(hour / 24), "y": str(day * ROW), "width": "3.75%", "height": str(CELL), "rx": "2"}
    return el("rect", title, klass=f"x{level}", **place)
