"""Draws SVG elements and places context sizes on the one ruler; sizes come as attributes (strict CSP)."""

from dataclasses import dataclass
from math import ceil, floor, log2

from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

LOW, HIGH = 10, 18  # 1k to 256k, unless a model holds less or promises more


def el(name: str, *inside: object, **attributes: object) -> SafeString:
    """One SVG element; `klass` is class, `text_anchor` text-anchor; None leaves an attribute out; all is escaped."""
    parts = [
        f' {"class" if key == "klass" else key.replace("_", "-")}="{conditional_escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    body = "".join(conditional_escape(part if isinstance(part, SafeString) else str(part)) for part in inside)
    return mark_safe(f"<{name}{''.join(parts)}>{body}</{name}>")  # noqa: S308  (every part is escaped above)


def pct(share: float) -> str:
    """0.287 -> 28.70%: a place or a width that stretches with the page."""
    return f"{share * 100:.2f}%"


@dataclass(frozen=True)
class Scale:
    """The logarithmic ruler for context sizes: one cell per doubling, from 2^low to 2^high tokens."""

    low: int = LOW
    high: int = HIGH

    @classmethod
    def holding(cls, *sizes: int | None, fixed: bool = True) -> "Scale":
        """1k to 256k, stretched so that all of `sizes` lie on it; not `fixed`: it may also end earlier."""
        known = [size for size in sizes if size and size > 0]
        if not known:
            return cls()
        low, high = min(LOW, max(floor(log2(min(known))), 0)), ceil(log2(max(known)))
        return cls(low, max(HIGH, high) if fixed else max(high, low + 4))

    @property
    def cells(self) -> int:
        return self.high - self.low

    def at(self, tokens: int | None) -> float:
        """Place of a size, 0..1."""
        if not tokens or tokens < 1:
            return 0.0
        return max(0.0, min(1.0, (log2(tokens) - self.low) / self.cells))

    def ticks(self) -> list[tuple[float, str]]:
        """Every doubling: its place and its label."""
        return [(i / self.cells, short(2 ** (self.low + i))) for i in range(self.cells + 1)]


def short(tokens: int) -> str:
    """2048 -> 2k, 1048576 -> 1M: round sizes as people say them."""
    if tokens >= 2**20 and tokens % 2**20 == 0:
        return f"{tokens >> 20}M"
    return f"{tokens >> 10}k" if tokens >= 1024 and tokens % 1024 == 0 else f"{tokens:,}"
