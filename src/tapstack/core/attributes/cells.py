"""What every aggregation is: cells that are made, put together and read.

A *cell* is what is kept of some events: those of a tile, or of a lifetime. `lift` makes the cell of one
event, `merge` puts two together, `value` reads one. Merging depends on no order, but where more values came
than a cell keeps. What a cell cannot keep of an event, a text where it adds numbers, is passed over.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

# MessagePack's longest integer, the moment in ms, a count up to 2**32, a head of a map or binary.
INT_BYTES, MOMENT_BYTES, COUNT_BYTES, HEAD_BYTES = 9, 9, 5, 3
TEXT_HEAD_BYTES = 2  # up to 255 bytes
USUAL_TEXT_BYTES = 12  # of ids and names of categories, with its head


class Answer(NamedTuple):
    """A value, and how far it may be off.

    Parameters
    ----------
    value
        None if there is none.
    missing_max
        How many values of a list are missing at most, or by how much each count is too low at most.
    """

    value: Any
    missing_max: int = 0


class Size(NamedTuple):
    """How long a cell becomes, MessagePack: as rows usually are, and at most."""

    usual: int
    most: int


class Aggregator(Protocol):
    """How an aggregation is kept.

    Parameters
    ----------
    is_tiled
        Whether each tile has a cell; else one cell serves all windows, by what it says of times.
    size
        The length of a cell.
    """

    is_tiled: bool
    size: Size

    def lift(self, found: Any, at_ms: int) -> Any:
        """Return the cell of one event, by the value of its property; None if that does not count."""

    def merge(self, one: Any, other: Any) -> Any:
        """Return the cell of both, which stay as they are."""

    def since(self, cell: Any, from_ms: int) -> Any:
        """Return what a cell that is not tiled holds from a moment on; None for nothing."""

    def value(self, cell: Any, now_ms: int) -> Answer:
        """Return a cell's value."""


class Tiled:
    """A cell belongs to a tile, which says when its events were."""

    is_tiled = True

    def since(self, cell: Any, from_ms: int) -> Any:  # noqa: ARG002 - its tile says it
        """Return the cell."""
        return cell
