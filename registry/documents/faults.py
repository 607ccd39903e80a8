"""What is wrong with a file, each thing with its place."""

from __future__ import annotations

import json
import re
from typing import Any

from registry.documents.content import Fault, Unreadable

MAX_FAULTS = 1_000  # what more is wrong is not looked for


class Wrong(ValueError):
    """One value that cannot be taken; the text follows its place."""


class Faults:
    """Everything that is wrong with a file, and what is only worth saying.

    `lenient`: objects with a fault are left out instead of the whole file, and their faults are warnings.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient = lenient
        self.found: list[Fault] = []
        self._left_out: dict[tuple[str, str], list[Any]] = {}

    def add(self, place: str, text: str) -> None:
        """Raises Unreadable when there are too many to go on."""
        self.found.append(Fault(place, text))
        if len(self.found) >= MAX_FAULTS:
            raise Unreadable(self.found)

    def left_out(self, field: str, place: str = "") -> None:
        """A field that nobody here knows; said once for all objects of a kind."""
        kind = re.sub(r"\[.*?\](?=\.|$)", "", place)
        self._left_out.setdefault((kind, field), [0, f"{place}.{field}" if place else field])[0] += 1

    def settle(self) -> None:
        """Ends the reading: raises Unreadable when anything is wrong."""
        if self.found and not self.lenient:
            raise Unreadable(self.found)

    @property
    def warnings(self) -> list[str]:
        left_out = [
            f"{first} is not a field of a registry and was left out" + (f" ({times:,} times)" if times > 1 else "")
            for times, first in self._left_out.values()
        ]
        return [*map(str, self.found), *left_out]


def place_of(kind: str, name: str) -> str:
    """`models["x"]`: where an object stands in a file."""
    return f"{kind}[{json.dumps(name, ensure_ascii=False)}]"


def shown(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool, type(None))) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
