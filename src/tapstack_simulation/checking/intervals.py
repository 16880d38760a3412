"""Whole numbers as intervals, first and last inside: as many as their gaps, however large the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

Interval = Sequence[int]  # first and last; a row holds lists


def without(intervals: Iterable[Interval], others: Iterable[Interval]) -> list[tuple[int, int]]:
    """Return what is in `intervals`, which ascend and do not overlap, and not in `others`."""
    holes = sorted((first, last) for first, last in others)
    kept: list[tuple[int, int]] = []
    for interval in intervals:
        first, last = interval
        for hole_first, hole_last in holes:
            if hole_last < first:
                continue
            if hole_first > last:
                break
            if first < hole_first:
                kept.append((first, hole_first - 1))
            first = hole_last + 1
        if first <= last:
            kept.append((first, last))
    return kept


def contains(intervals: Iterable[Interval], n: int) -> bool:
    """Return whether a number is in one of the intervals."""
    return any(first <= n <= last for first, last in intervals)


def numbers(intervals: Iterable[Interval]) -> Iterator[int]:
    """Return the numbers one by one, which may be very many."""
    return (n for first, last in intervals for n in range(first, last + 1))
