"""Aggregations of numbers: in integers of millionths, so that no order matters."""

from __future__ import annotations

from typing import Any

from tapstack.core.aggregates import MICROS, millionths
from tapstack.core.attributes.cells import COUNT_BYTES, INT_BYTES, Answer, Size, Tiled
from tapstack.core.attributes.told import is_number
from tapstack.core.events import AMOUNT_MAX

SUM_MAX = 9 * 10**18  # a row's integers have 64 bits: a sum of more stays there


class Counter(Tiled):
    """How many."""

    size = Size(1, COUNT_BYTES)

    def lift(self, found: Any, at_ms: int) -> int:  # noqa: ARG002 - whatever it says
        """Return one."""
        return 1

    def merge(self, one: int, other: int) -> int:
        """Add up."""
        return one + other

    def value(self, cell: int, now_ms: int) -> Answer:  # noqa: ARG002 - no age
        """Return the count."""
        return Answer(cell)


class Sum(Tiled):
    """All together."""

    size = Size(5, INT_BYTES)

    def lift(self, found: Any, at_ms: int) -> int | None:  # noqa: ARG002 - its tile says it
        """Return the number in millionths."""
        return _micros(found)

    def merge(self, one: int, other: int) -> int:
        """Add up."""
        return _bounded(one + other)

    def value(self, cell: int, now_ms: int) -> Answer:  # noqa: ARG002 - no age
        """Return the number."""
        return Answer(cell / MICROS)


class Least(Sum):
    """The smallest."""

    def merge(self, one: int, other: int) -> int:
        """Return the smaller."""
        return min(one, other)


class Greatest(Sum):
    """The largest."""

    def merge(self, one: int, other: int) -> int:
        """Return the larger."""
        return max(one, other)


class Mean(Tiled):
    """The sum, and of how many."""

    size = Size(7, 1 + INT_BYTES + COUNT_BYTES)

    def lift(self, found: Any, at_ms: int) -> list[int] | None:  # noqa: ARG002 - its tile says it
        """Return the number, and one."""
        amount = _micros(found)
        return None if amount is None else [amount, 1]

    def merge(self, one: list[int], other: list[int]) -> list[int]:
        """Add up both."""
        return [_bounded(one[0] + other[0]), one[1] + other[1]]

    def value(self, cell: list[int], now_ms: int) -> Answer:  # noqa: ARG002 - no age
        """Return the mean."""
        return Answer(cell[0] / cell[1] / MICROS)


def _micros(found: Any) -> int | None:
    return millionths(found) if is_number(found) and -AMOUNT_MAX <= found <= AMOUNT_MAX else None


def _bounded(amount: int) -> int:
    return max(-SUM_MAX, min(SUM_MAX, amount))
