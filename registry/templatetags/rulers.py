"""The large forms of the context meter: the ruler of a model and the bracket of a running test."""

from dataclasses import dataclass

from django import template
from django.utils.safestring import SafeString

from registry.templatetags.drawing import Scale, el, pct, short

register = template.Library()

WIDTH = 760  # pixels that label widths are judged against; a wider page only gives them more room
CHARACTER = 6.4  # pixels
BAR, ROW = 26, 15  # pixels: height of the bar, of one row of labels


@dataclass(frozen=True)
class Flag:
    """A mark on the ruler with its label above."""

    tokens: int
    text: str
    mark: str
    label: str = ""


@register.simple_tag
def ruler(
    declared: int | None, tested: int | None = None, usable: int | None = None, applied: int | None = None
) -> SafeString:
    """Declared, tested and usable as nested bars from 1k to 256k (or further), the loaded size as a needle."""
    scale = Scale.holding(declared, tested, usable, applied)
    flags = _flags(declared, tested, applied)
    rows = _rows(flags, scale)
    y = 4 + ROW * (max(rows, default=-1) + 1)
    parts = [el("rect", klass="i-track", x=0, y=y + BAR / 2 - 1, width="100%", height=2)]
    bars = ((declared, "i-decl"), (tested, "i-ok-mid" if usable else "i-ok"), (usable, "i-ok"))
    for tokens, klass in bars:
        if tokens:
            parts.append(el("rect", klass=klass, x=0, y=y, width=pct(scale.at(tokens)), height=BAR))
    parts += _ticks(scale, y, BAR)
    for flag, row in zip(flags, rows, strict=True):
        parts += _flag(flag, scale, row, y)
    told = ", ".join(flag.text for flag in flags) or "no size is known"
    return el("svg", *parts, klass="ruler", width="100%", height=y + BAR + 24, role="img", aria_label=told)


def _flags(declared: int | None, tested: int | None, applied: int | None) -> list[Flag]:
    flags = []
    if tested and tested == declared:
        flags.append(Flag(tested, f"tested {tested:,}, as declared", "i-mark-ok", " i-text-ok"))
    elif tested:
        flags.append(Flag(tested, f"tested {tested:,}", "i-mark-ok", " i-text-ok"))
    if declared and declared != tested:
        flags.append(Flag(declared, f"declared {declared:,}", "i-mark-2"))
    if applied:
        flags.append(Flag(applied, f"loaded now {applied:,}", "i-mark"))
    return flags


def _span(flag: Flag, scale: Scale) -> tuple[float, float, str]:
    """From where to where its label reaches (0..1), and on which side of the mark it stands."""
    place, width = scale.at(flag.tokens), (len(flag.text) * CHARACTER + 8) / WIDTH
    return (place - width, place, "end") if place > width else (place, place + width, "start")


def _rows(flags: list[Flag], scale: Scale) -> list[int]:
    """The lowest row of labels, above the bar, in which each label touches no other."""
    taken: list[tuple[int, float, float]] = []
    for flag in flags:
        start, end, _ = _span(flag, scale)
        row = 0
        while any(r == row and start < b and a < end for r, a, b in taken):
            row += 1
        taken.append((row, start, end))
    return [row for row, _, _ in taken]


def _flag(flag: Flag, scale: Scale, row: int, y: float) -> list[SafeString]:
    x = pct(scale.at(flag.tokens))
    top = y - ROW * row
    _, _, anchor = _span(flag, scale)
    small = "" if "ok" in flag.mark else " hide-sm"  # a phone has room for one label; the numbers stand above
    return [
        el("line", klass=flag.mark, x1=x, x2=x, y1=top - 11, y2=y + BAR + (3 if flag.mark == "i-mark" else 0)),
        el(
            "text", flag.text, klass=f"i-lab{flag.label}{small}", x=x, y=top - 4,
            dx=-6 if anchor == "end" else 6, text_anchor=anchor,
        ),
    ]  # fmt: skip


def _ticks(scale: Scale, y: float, height: float, gap: float = 4) -> list[SafeString]:
    """Gaps between the cells, and the doublings below; on a phone every second one."""
    parts = []
    for i, (place, text) in enumerate(scale.ticks()):
        x = pct(place)
        anchor = "start" if i == 0 else "end" if i == scale.cells else "middle"
        if 0 < i < scale.cells:
            parts.append(el("line", klass="i-gap", x1=x, x2=x, y1=y, y2=y + height))
        small = "" if (scale.cells - i) % 2 == 0 else " hide-sm"
        parts.append(el("line", klass="i-line", x1=x, x2=x, y1=y + height + gap, y2=y + height + gap + 4))
        parts.append(el("text", text, klass=f"i-tick{small}", x=x, y=y + height + 20, text_anchor=anchor))
    return parts


@register.simple_tag
def bracket(low: int, high: int | None, declared: int | None, trying: int | None = None) -> SafeString:
    """The bracket on the ruler: green works, red fails, indigo is left to search, the needle is tried now."""
    scale = Scale.holding(declared, low, high, trying)
    end = scale.at(declared) if declared else 1.0
    a, b = scale.at(low), scale.at(high) if high else end
    parts = [el("rect", klass="i-track", x=0, y=12, width="100%", height=2)]
    for klass, start, stop in (("i-ok", 0.0, a), ("i-busy-mid", a, b), ("i-bad-mid", b, end)):
        if stop > start:
            parts.append(el("rect", klass=klass, x=pct(start), y=8, width=pct(stop - start), height=10))
    for place, text in scale.ticks()[1:-1]:
        x = pct(place)
        parts.append(el("line", klass="i-gap", x1=x, x2=x, y1=8, y2=18))
        if round(place * scale.cells) % 2:
            parts.append(el("text", text, klass="i-tick", x=x, y=34, text_anchor="middle"))
    if trying:
        x = pct(scale.at(trying))
        parts.append(el("line", klass="i-mark-busy", x1=x, x2=x, y1=3, y2=22))
    return el("svg", *parts, width="100%", height=40, aria_hidden="true")


@dataclass(frozen=True)
class Window:
    """The part of the ruler that is enlarged, evenly divided."""

    start: float
    end: float

    @classmethod
    def around(cls, low: int, high: int) -> "Window":
        """The bracket with a sixth of its width on both sides."""
        margin = max((high - low) / 4, 64)
        return cls(low - margin, high + margin)

    def at(self, tokens: float) -> float:
        return max(0.0, min(1.0, (tokens - self.start) / (self.end - self.start)))

    def ticks(self) -> list[int]:
        """About six round sizes."""
        step = 64
        while (self.end - self.start) / step > 7:
            step *= 2
        first = (int(max(self.start, 0)) // step + 1) * step
        return [size for size in range(first, int(self.end), step) if 0.03 < self.at(size) < 0.97]


@register.simple_tag
def enlarged_bracket(
    low: int, high: int | None, declared: int | None, trying: int | None = None, estimate: int | None = None,
    failure: str = "fails",
) -> SafeString:  # fmt: skip
    """The whole ruler above, what is left to search enlarged below, joined by a funnel."""
    scale = Scale.holding(declared, low, high, trying)
    upper = high or declared or 2**scale.high
    window = Window.around(low, max(upper, low + 256))
    end = scale.at(declared) if declared else 1.0
    a, b = scale.at(low), max(scale.at(upper), scale.at(low))
    parts = [_funnel(a, b, window.at(low), window.at(upper))]
    for klass, start, stop in (("i-ok", 0.0, a), ("i-busy", a, b), ("i-bad-mid", b, end)):
        if stop > start:
            parts.append(el("rect", klass=klass, x=pct(start), y=TOP, width=pct(stop - start), height=14))
    parts += _ticks(scale, TOP, 14)
    parts += _lens(window, low, upper)
    parts += _edges(window, low, upper, failure if high else "")
    # of two needles the left one has its label on the left
    guess = estimate if estimate and low < estimate < upper else None
    if trying and low <= trying <= upper:
        left = window.at(trying) > 0.5 if guess is None else trying <= guess and window.at(trying) > 0.25
        text = f"trying {trying:,}"
        parts += _needle(window.at(trying), left, "i-mark-busy", " i-text-busy i-strong", text, LENS + 25)
    if guess:
        left = window.at(guess) > 0.5 if not trying else guess < trying
        parts += _needle(window.at(guess), left, "i-mark i-dash", " hide-sm", f"estimate {guess:,}", LENS + 49)
    told = f"between {low:,} and {upper:,}" + (f", trying {trying:,}" if trying else "")
    return el("svg", *parts, klass="bracket", width="100%", height=LENS + 86, role="img", aria_label=told)


TOP, LENS = 4, 112  # pixels: upper edges of the ruler and of the enlarged part


def _funnel(a: float, b: float, c: float, d: float) -> SafeString:
    """Joins the open part of the ruler to its enlargement, in a picture of its own that stretches."""
    points = f"{a * 100:.2f},0 {b * 100:.2f},0 {d * 100:.2f},100 {c * 100:.2f},100"
    shape = el("polygon", klass="i-funnel", points=points)
    top = TOP + 14
    return el(
        "svg", shape, x=0, y=top, width="100%", height=LENS - top, viewBox="0 0 100 100", preserveAspectRatio="none"
    )


def _lens(window: Window, low: int, high: int) -> list[SafeString]:
    a, b = window.at(low), window.at(high)
    areas = (("i-ok-weak", 0.0, a), ("i-busy-weak", a, b), ("i-bad-weak", b, 1.0))
    parts = [
        el("rect", klass=klass, x=pct(x0), y=LENS, width=pct(x1 - x0), height=62) for klass, x0, x1 in areas if x1 > x0
    ]
    for number, size in enumerate(window.ticks()):
        x = pct(window.at(size))
        parts.append(el("line", klass="i-line", x1=x, x2=x, y1=LENS + 62, y2=LENS + 68))
        small = " hide-sm" if number % 2 else ""
        parts.append(el("text", f"{size:,}", klass=f"i-tick{small}", x=x, y=LENS + 82, text_anchor="middle"))
    return parts


def _edges(window: Window, low: int, high: int, failure: str) -> list[SafeString]:
    parts = []
    for size, mark, text, klass, dx, anchor in (
        (low, "i-mark-ok", f"{short(low)} works" if low else "", "i-text-ok", -8, "end"),
        (high, "i-mark-bad", failure, "i-text-bad", 8, "start"),
    ):
        x = pct(window.at(size))
        if text:
            parts.append(el("line", klass=f"{mark} i-thick", x1=x, x2=x, y1=LENS - 6, y2=LENS + 62))
            parts.append(el("text", text, klass=f"i-lab {klass} hide-sm", x=x, y=LENS + 36, dx=dx, text_anchor=anchor))
    return parts


def _needle(place: float, left: bool, mark: str, label: str, text: str, y: int) -> list[SafeString]:
    x = pct(place)
    return [
        el("line", klass=mark, x1=x, x2=x, y1=LENS - 6, y2=LENS + 65),
        el("text", text, klass=f"i-lab{label}", x=x, y=y, dx=-8 if left else 8, text_anchor="end" if left else "start"),
    ]
