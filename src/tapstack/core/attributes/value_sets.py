"""Aggregations that keep several values, bounded: a list of distinct ones, and how often each came."""

from __future__ import annotations

from typing import Any

from tapstack.core.attributes.cells import (
    COUNT_BYTES,
    HEAD_BYTES,
    TEXT_HEAD_BYTES,
    USUAL_TEXT_BYTES,
    Answer,
    Size,
    Tiled,
)
from tapstack.core.attributes.told import text_of

Recency = list[Any]  # how many were dropped, until when, Unix s, and when each value was seen last
Frequencies = list[Any]  # by how much counts may be too low, and how often each value came


def _size_of(limit: int, bytes_max: int, head: int, entry: int, usual_entry: int) -> Size:
    usual = min(USUAL_TEXT_BYTES, bytes_max + TEXT_HEAD_BYTES)
    return Size(
        head + limit * (usual + usual_entry),
        head + limit * (bytes_max + TEXT_HEAD_BYTES + entry),
    )


class UniqueList:
    """Distinct values, the last seen ones; exact until more than `limit` came. It serves all windows."""

    is_tiled = False

    def __init__(self, limit: int, bytes_max: int) -> None:
        self._limit = limit
        self._bytes_max = bytes_max
        self.size = _size_of(limit, bytes_max, 1 + 2 * COUNT_BYTES + HEAD_BYTES, COUNT_BYTES, COUNT_BYTES)

    def lift(self, found: Any, at_ms: int) -> Recency | None:
        """Return the one value."""
        text = text_of(found, self._bytes_max)
        return None if text is None else [0, 0, {text: at_ms // 1_000}]

    def merge(self, one: Recency, other: Recency) -> Recency:
        """Unite both, and drop what was not seen for longest; of the same second the smallest text."""
        seen: dict[str, int] = dict(one[2])
        for value, at_s in other[2].items():
            if at_s >= seen.get(value, at_s):
                seen[value] = at_s
        dropped, until_s = one[0] + other[0], max(one[1], other[1])
        while len(seen) > self._limit:
            at_s, value = min([(at_s, value) for value, at_s in seen.items()])
            del seen[value]
            dropped, until_s = dropped + 1, max(until_s, at_s)
        return [dropped, until_s, seen]

    def since(self, cell: Recency, from_ms: int) -> Recency | None:
        """Return those seen from a moment on; dropped ones may be among them if they were seen so late."""
        dropped, until_s, seen = cell
        left = {value: at_s for value, at_s in seen.items() if at_s * 1_000 >= from_ms}
        return [dropped if until_s * 1_000 >= from_ms else 0, until_s, left] if left else None

    def value(self, cell: Recency, now_ms: int) -> Answer:  # noqa: ARG002 - no age
        """Return the values, the last seen one last."""
        dropped, _, seen = cell
        return Answer(sorted(seen, key=lambda value: (seen[value], value)), dropped)


class CategoryCount(Tiled):
    """How often each value came: a Misra-Gries summary, which is exact until more than `limit` came [1]_.

    Where there are more, the count of the first that has no place is taken off all: so no count is too high,
    and none is too low by more than what was taken off, at most the number of events by `limit` + 1.

    References
    ----------
    .. [1] Agarwal et al., Mergeable summaries, PODS 2012.
    """

    def __init__(self, limit: int, bytes_max: int) -> None:
        self._limit = limit
        self._bytes_max = bytes_max
        self.size = _size_of(limit, bytes_max, 1 + COUNT_BYTES + HEAD_BYTES, COUNT_BYTES, 1)

    def lift(self, found: Any, at_ms: int) -> Frequencies | None:  # noqa: ARG002 - its tile says it
        """Return the one value."""
        text = text_of(found, self._bytes_max)
        return None if text is None else [0, {text: 1}]

    def merge(self, one: Frequencies, other: Frequencies) -> Frequencies:
        """Add up, and take off what makes room."""
        counts: dict[str, int] = dict(one[1])
        for value, count in other[1].items():
            counts[value] = counts.get(value, 0) + count
        too_low = one[0] + other[0]
        if len(counts) > self._limit:
            off = sorted(counts.values(), reverse=True)[self._limit]
            counts = {value: count - off for value, count in counts.items() if count > off}
            too_low += off
        return [too_low, counts]

    def value(self, cell: Frequencies, now_ms: int) -> Answer:  # noqa: ARG002 - no age
        """Return the counts, the highest first, of equal ones the smaller text."""
        return Answer(dict(_ranked(cell[1])), cell[0])


class MostFrequent(CategoryCount):
    """The value that came most often."""

    def value(self, cell: Frequencies, now_ms: int) -> Answer:  # noqa: ARG002 - no age
        """Return it; of equally frequent ones the smallest text."""
        ranked = _ranked(cell[1])
        return Answer(ranked[0][0] if ranked else None, cell[0])


def _ranked(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
