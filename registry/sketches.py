"""A log-bucket sketch of durations: small, mergeable, whole numbers only; its quantiles are off by 1.9 % at most."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate

# The largest value of a bucket is that many times its smallest: (1 + 0.019) / (1 - 0.019). A value told as
# 2 * smallest * largest / (smallest + largest) is then off by (ratio - 1) / (ratio + 1) = 1.9 % at most.
RATIO = 1019, 981
LARGEST = 2**62  # greater values count as this one


def _tops() -> list[int]:
    """The largest value of each bucket; 0 has one of its own, and so has each of the small numbers."""
    tops = [0]
    while tops[-1] < LARGEST:
        tops.append((tops[-1] + 1) * RATIO[0] // RATIO[1])
    return tops


TOPS = _tops()


def bucket(value: int) -> int:
    """The number of the bucket that a whole number of microseconds (>= 0) falls into."""
    return bisect_left(TOPS, min(value, LARGEST))


def told(number: int) -> float:
    """The value that stands for all in a bucket, in microseconds."""
    if number == 0:
        return 0.0
    smallest, largest = TOPS[number - 1] + 1, TOPS[number]
    return 2 * smallest * largest / (smallest + largest)


class Sketch:
    """How many values (whole microseconds) fell into which bucket; merging two is adding their counts."""

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: dict[int, int] = dict(counts or {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sketch) and self.counts == other.counts

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<Sketch of {self.count} values>"

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def add(self, value_us: int) -> None:
        number = bucket(value_us)
        self.counts[number] = self.counts.get(number, 0) + 1

    def merge(self, other: Sketch) -> None:
        counts = self.counts
        for number, times in other.counts.items():
            counts[number] = counts.get(number, 0) + times

    def quantile(self, q: float) -> float | None:
        """The value in microseconds of which the share `q` (0..1) of all are not greater; None without any value.

        By the nearest rank: the exact answer is always one of the values, here it is that one within 1.9 %.
        """
        if not self.counts:
            return None
        numbers = sorted(self.counts)
        sums = list(accumulate(self.counts[number] for number in numbers))
        rank = max(math.ceil(q * sums[-1]), 1)
        return told(numbers[bisect_left(sums, rank)])

    def as_json(self) -> dict[str, int]:
        """Bucket number -> count, in order: equal sketches are equal texts."""
        return {str(number): self.counts[number] for number in sorted(self.counts)}

    @classmethod
    def from_json(cls, counts: Mapping[str, int]) -> Sketch:
        return cls({int(number): times for number, times in counts.items()})
