"""The guide's fenced blocks by their headings, and which of them a test shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

GUIDE = Path(__file__).resolve().parents[2] / "shared" / "seed" / "model-management.md"
# the sections that come with later versions
LATER = {
    "Model Comparison", "Custom Benchmarks", "Model Health Monitoring", "Auto-Testing New Models", "GitHub Actions",
}  # fmt: skip
SHOWN: set[str] = set()

Test = TypeVar("Test", bound=Callable[..., None])


def shows(heading: str) -> Callable[[Test], Test]:
    """Marks the test that shows the block under this heading of the guide."""

    def mark(test: Test) -> Test:
        SHOWN.add(heading)
        return test

    return mark


def headings() -> list[str]:
    """The heading above each fenced block, in order."""
    found, heading, inside = [], "", False
    for line in GUIDE.read_text().splitlines():
        if line.startswith("```"):
            inside = not inside
            found += [heading] if inside else []
        elif not inside and (title := re.match(r"#+\s+(.*)", line)):
            heading = title[1].strip()
    return found
