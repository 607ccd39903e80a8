"""One line of what is printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What was measured, and its goal (None: told for comparison), both in `unit`."""

    name: str
    value: float
    goal: float | None = None
    unit: str = "ms"
    note: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def __str__(self) -> str:
        bound = "" if self.goal is None else f"goal {'>=' if self.at_least else '<='} {self.goal:g}"
        mark = "" if self.goal is None else "ok" if self.met else "MISSED"
        return f"{self.name:<52} {self.value:>10,.2f} {self.unit:<7} {bound:<14} {mark:<7} {self.note}"
