"""Sets of whole numbers as intervals: as large as their gaps are many, however large the numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Interval = tuple[int, int]  # first and last, both inside


class Numbers:
    """A set of whole numbers."""

    def __init__(self) -> None:
        self._firsts: list[int] = []  # of intervals that do not touch
        self._lasts: list[int] = []

    def add(self, n: int) -> None:
        """Add a number."""
        place = bisect_right(self._firsts, n)  # of the first interval that begins after it
        if place and n <= self._lasts[place - 1]:
            return
        touches_left = bool(place) and self._lasts[place - 1] == n - 1
        touches_right = place < len(self._firsts) and self._firsts[place] == n + 1
        if touches_left and touches_right:
            self._lasts[place - 1] = self._lasts.pop(place)
            del self._firsts[place]
        elif touches_left:
            self._lasts[place - 1] = n
        elif touches_right:
            self._firsts[place] = n
        else:
            self._firsts.insert(place, n)
            self._lasts.insert(place, n)

    def __contains__(self, n: int) -> bool:
        place = bisect_left(self._lasts, n)
        return place < len(self._lasts) and self._firsts[place] <= n

    def intervals(self) -> list[Interval]:
        """Return its intervals, ascending."""
        return list(zip(self._firsts, self._lasts, strict=True))


def without(intervals: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """Return what is in `intervals`, which ascend and do not overlap, and not in `others`."""
    holes = sorted((first, last) for first, last in others)
    kept: list[Interval] = []
    start = 0
    for first, last in intervals:
        while start < len(holes) and holes[start][1] < first:
            start += 1
        place = start
        while place < len(holes) and holes[place][0] <= last:
            if first < holes[place][0]:
                kept.append((first, holes[place][0] - 1))
            first = max(first, holes[place][1] + 1)  # noqa: PLW2901 - what is left of the interval
            place += 1
        if first <= last:
            kept.append((first, last))
    return kept


def count(intervals: Iterable[Interval]) -> int:
    """Return how many numbers there are."""
    return sum(last - first + 1 for first, last in intervals)


def numbers(intervals: Iterable[Interval]) -> Iterator[int]:
    """Return the numbers one by one, which may be very many."""
    return (n for first, last in intervals for n in range(first, last + 1))
