"""Aggregations of one moment, the first or last by the events' own time: what was said, or how long ago."""

from __future__ import annotations

from typing import Any

from tapstack.core.attributes.cells import (
    INT_BYTES,
    MOMENT_BYTES,
    TEXT_HEAD_BYTES,
    USUAL_TEXT_BYTES,
    Answer,
    Size,
    Tiled,
)
from tapstack.core.attributes.told import is_number, text_of


class _Moment:
    """A cell is a list of when, Unix ms, and what; of an age only when.

    Parameters
    ----------
    bytes_max
        UTF-8, of a text.
    is_age
        Whether the value is how long ago it was.
    """

    def __init__(self, bytes_max: int, *, is_age: bool) -> None:
        self._bytes_max = bytes_max
        self._is_age = is_age
        head = 1 + MOMENT_BYTES
        self.size = Size(head, head)
        if not is_age:
            usual = min(USUAL_TEXT_BYTES, bytes_max + TEXT_HEAD_BYTES)
            self.size = Size(head + usual, head + max(INT_BYTES, bytes_max + TEXT_HEAD_BYTES))

    def lift(self, found: Any, at_ms: int) -> list[Any] | None:
        """Return when, and what."""
        if self._is_age:
            return [at_ms]
        value = found if isinstance(found, bool) or is_number(found) else text_of(found, self._bytes_max)
        return None if value is None else [at_ms, value]

    def value(self, cell: list[Any], now_ms: int) -> Answer:
        """Return what it said, or how many seconds ago it was."""
        return Answer(max(0, now_ms - cell[0]) / 1_000 if self._is_age else cell[1])


class First(_Moment, Tiled):
    """The first; of the same millisecond the smallest."""

    def merge(self, one: list[Any], other: list[Any]) -> list[Any]:
        """Return the earlier."""
        return min(one, other, key=_order)


class Last(_Moment):
    """The last; of the same millisecond the greatest. It lies in a window, or nothing does."""

    is_tiled = False

    def merge(self, one: list[Any], other: list[Any]) -> list[Any]:
        """Return the later."""
        return max(one, other, key=_order)

    def since(self, cell: list[Any], from_ms: int) -> list[Any] | None:
        """Return it if it is not earlier."""
        return cell if cell[0] >= from_ms else None


def _order(cell: list[Any]) -> tuple[Any, ...]:
    """Return an order of cells: by time, then booleans, numbers and texts, each by value."""
    at_ms, *said = cell
    return (at_ms, *[(isinstance(value, str), not isinstance(value, bool), value) for value in said])
