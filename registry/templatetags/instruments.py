"""Icons, states and the small server-drawn SVG instruments; readable without a script."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from registry.templatetags.drawing import Scale, el, pct

register = template.Library()

# every state has one colour, a word and a shape: green dot, indigo dot with halo, amber diamond, red square, rings
STATES = {
    "ok": ("tested", "loaded", "healthy", "verified", "succeeded", "reachable", "answers", "done", "measured"),
    "active live": ("active", "answering"),
    "busy live": ("loading", "unloading", "testing", "running", "being tested", "tidying"),
    "warn": ("stale", "drift", "degraded", "applied less", "loads but fails when filled", "queued with problems"),
    "bad": ("failed", "error", "unhealthy", "out of memory", "crashed", "unreachable", "does not answer"),
    "idle": ("untested", "unknown", "queued", "waiting", "not scanned"),
    "off": ("unloaded", "disabled", "missing", "cancelled", "switched off"),
}
STATE_CLASS = {word: kind for kind, words in STATES.items() for word in words}

# how each verdict of a probe or a test is to be read
VERDICTS = {
    "ok": ("verified", "loads, answers"),
    "warn": ("loads but fails when filled", "reads but does not recall", "silently truncated", "server applied less"),
    "bad": ("out of memory", "timed out", "crashed", "does not load"),
    "idle": ("interrupted", "cancelled", "untested"),
    "busy": ("loading", "filling", "running", "waiting", "under way"),
}
VERDICT_CLASS = {word: kind for kind, words in VERDICTS.items() for word in words}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon from the sprite; it is only decoration, the words beside it say what it means."""
    href = f"{static('vendor/sprite.svg')}#{name}"
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}"></use></svg>', extra, href)


@register.simple_tag
def state(word: str, label: str | None = None) -> SafeString:
    """A state as shape and word; `label` replaces the word, not the shape."""
    return format_html('<span class="st st-{}">{}</span>', STATE_CLASS.get(str(word), "idle"), label or word)


@register.simple_tag
def verdict(word: str, label: str | None = None) -> SafeString:
    """What a probe or a test ended with, on its colour."""
    return format_html('<span class="verdict verdict-{}">{}</span>', verdict_kind(word), label or word)


@register.filter
def verdict_kind(word: str) -> str:
    """ok, warn, bad, idle or busy for a verdict."""
    return VERDICT_CLASS.get(str(word), "busy" if not word else "idle")


@register.simple_tag
@lru_cache(maxsize=2048)  # a list of models draws the same few again and again
def meter(declared: int | None, tested: int | None = None, kind: str = "ok", width: int = 132) -> SafeString:
    """Small context meter: one cell per doubling from 1k to 256k; grey up to declared, coloured up to tested."""
    scale = Scale()
    bars = [el("rect", klass="i-track", x=0, y=3, width=width, height=2)]
    for tokens, klass in ((declared, "i-decl"), (tested, f"i-{kind}")):
        if tokens:
            bars.append(el("rect", klass=klass, x=0, y=0, width=f"{scale.at(tokens) * width:.1f}", height=8))
    for cell in range(1, scale.cells):
        x = f"{cell * width / scale.cells:.1f}"
        bars.append(el("line", klass="i-gap", x1=x, x2=x, y1=0, y2=8))
    return el("svg", *bars, klass="meter", width=width, height=8, aria_hidden="true")


@register.simple_tag
def meter_ticks(width: int = 132) -> SafeString:
    """The ticks over a column of meters, for the head of the table."""
    labels = [
        el("text", text, klass="i-tick", x=f"{place * width:.1f}", y=10, text_anchor="middle")
        for place, text in Scale().ticks()
        if text in {"2k", "8k", "32k", "128k"}
    ]
    return el("svg", *labels, width=width, height=12, aria_hidden="true")


@register.simple_tag
def progress(share: float | None, label: str = "progress", kind: str = "busy") -> SafeString:
    """A progress bar, 0..1."""
    share = min(max(share or 0.0, 0.0), 1.0)
    bar = el("rect", klass=f"i-{kind}", width=pct(share), height="100%", rx=3)
    return el(
        "svg", bar, klass="prog", role="progressbar", aria_label=label,
        aria_valuenow=f"{share * 100:.0f}", aria_valuemin=0, aria_valuemax=100,
    )  # fmt: skip


@register.simple_tag
def shares(parts: Iterable[tuple[int, str]]) -> SafeString:
    """A thin stacked bar of (count, class); the legend beside it holds the numbers."""
    known = [(count, klass) for count, klass in parts if count]
    total = sum(count for count, _ in known) or 1
    bars, before = [], 0
    for count, klass in known:
        bars.append(el("rect", klass=klass, x=pct(before / total), width=pct(count / total), height=12))
        before += count
    return el("svg", *bars, klass="statusbar", height=12, aria_hidden="true")


@register.simple_tag
def memory(total: int | None, segments: Iterable[dict[str, Any]], threshold: int | None = None) -> SafeString | str:
    """Memory bar: `segments` have name, bytes, klass and text; what is free is the track. Nothing without a total.

    `threshold`: percent of the total that a policy keeps free; a dotted line.
    """
    if not total:
        return ""
    known = list(segments)
    # an estimate can come out above what there is: the bar then ends at the estimate, a line shows the limit
    whole = max(total, sum(segment["bytes"] for segment in known))
    parts, used = [], 0
    for segment in known:
        share, start = segment["bytes"] / whole, used / whole
        title = el("title", f"{segment['name']}: {segment['text']}")
        parts.append(el("rect", title, klass=f"seg {segment['klass']}", x=pct(start), width=pct(share), height=26))
        if share > 0.15:
            room = int((share * 760 - 18) / 6.4)  # characters on a wide page; a phone has the rows below
            hide = " hide-sm" if share < 0.4 else ""
            on = "on-busy" if segment["klass"] == "seg-busy" else "on-1"
            name = segment["name"] if len(segment["name"]) <= room else f"{segment['name'][: room - 1]}…"
            parts.append(el("text", name, klass=on + hide, x=pct(start), dx=10, y=17))
        used += segment["bytes"]
    if whole > total:
        x = pct(total / whole)
        parts.append(el("line", klass="limit", x1=x, x2=x, y1=0, y2=26))
    if threshold:
        x = pct(total * threshold / 100 / whole)
        title = el("title", f"the policy keeps it below {threshold} %")
        parts.append(el("line", title, klass="threshold", x1=x, x2=x, y1=0, y2=26))
    return el("svg", *parts, klass="mem", role="img", aria_label=f"{used / total:.0%} of the memory is taken")
