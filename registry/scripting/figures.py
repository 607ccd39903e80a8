"""Results whose unknown values can be printed in any format: `unknown` instead of an error."""

from __future__ import annotations

from typing import Any


class Unknown:
    """A value that nobody has measured or told: false, `unknown` under any format, null in JSON (by Figures)."""

    def __bool__(self) -> bool:
        return False

    def __format__(self, spec: str) -> str:
        return "unknown"

    def __str__(self) -> str:
        return "unknown"

    __repr__ = __str__


UNKNOWN = Unknown()


class Figures(dict[str, Any]):
    """A result to read with `[]`: a key that is there but not known reads as UNKNOWN.

    Inside, an unknown value is None; so `items()`, `get()` and JSON see None.
    """

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return UNKNOWN if value is None else value

    def known(self, *always: str) -> Figures:
        """Without the keys whose values are unknown, except those named."""
        return Figures({key: value for key, value in self.items() if value is not None or key in always})
