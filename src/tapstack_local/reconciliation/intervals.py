"""Sets of whole numbers as intervals: as large as their gaps are many, however large the numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

Interval = tuple[int, int]  # first and last, both inside


RECENT_MAX = 64  # or as many as there are intervals


class Numbers:
    """A set of whole numbers, added in any order."""

    def __init__(self) -> None:
        self._firsts: list[int] = []  # of intervals that do not touch, ascending
        self._lasts: list[int] = []
        self._recent: set[int] = set()  # in none of them yet: one by one would move all that follow

    def add(self, n: int) -> None:
        """Add a number."""
        if n not in self:
            self._recent.add(n)
            if len(self._recent) > max(RECENT_MAX, len(self._firsts)):
                self._settle()

    def __contains__(self, n: int) -> bool:
        place = bisect_left(self._lasts, n)
        return n in self._recent or (place < len(self._lasts) and self._firsts[place] <= n)

    def intervals(self) -> list[Interval]:
        """Return its intervals, ascending."""
        self._settle()
        return list(zip(self._firsts, self._lasts, strict=True))

    def _settle(self) -> None:
        """Put recent numbers into intervals."""
        if not self._recent:
            return
        parts = [*zip(self._firsts, self._lasts, strict=True), *((n, n) for n in self._recent)]
        self._firsts, self._lasts = [], []
        self._recent.clear()
        for first, last in sorted(parts):
            if self._lasts and self._lasts[-1] == first - 1:
                self._lasts[-1] = last
            else:
                self._firsts.append(first)
                self._lasts.append(last)


def without(intervals: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """Return what is in `intervals`, which ascend and do not overlap, and not in `others`."""
    holes = sorted((first, last) for first, last in others if first <= last)
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
