"""Leaderboards: the items that may trend, a board for each length of sub-windows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from tapstack.core.aggregates import WINDOWS, Numbers, Windowed, kept_at, window_numbers
from tapstack.core.journal import DERIVED_TTL_MIN_S, Entry
from tapstack.core.ranking import INTERESTED, TRENDS, Board, advance, series_of, trim
from tapstack.core.rows import BOARD_ROWS, ITEM_ROWS_IN_PARTS, board_partition, item_partition
from tapstack.projections._projection import Projection
from tapstack.projections.items import NAME as ITEMS

NAME = "leaderboards"
SPANS = tuple(
    [trend.hops for trend in TRENDS if trend.position == position] for position in range(len(WINDOWS))
)


class Move(msgspec.Struct, gc=False, frozen=True):
    """Items that may rise."""

    item_ids: Sequence[str]
    position: int  # in `WINDOWS`, of the sub-windows in which it may


class Leaderboards(Projection[Board, Move]):
    """A row for each length of sub-windows; see `tapstack.projections._projection.Projection`.

    It takes each moved item's exact counts from the item's own row, which the items' projection has written
    by then.
    """

    name = NAME
    rows = BOARD_ROWS
    after = ITEMS
    keep_s = DERIVED_TTL_MIN_S  # nobody asks for old ones

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, Move]:
        """Return the items that entries move, once each, by leaderboard.

        Each effect is judged by its own arrival, as its item's row does: other records may have arrived days
        later. That row does not know of them, and a board shows what rows have.
        """
        alike: defaultdict[tuple[Numbers, Numbers], list[str]] = defaultdict(list)
        for effect in chain.from_iterable([entry.effects for entry in entries]):
            if effect.code in INTERESTED:
                alike[window_numbers(effect.at_s), window_numbers(effect.arrived_s)] += effect.item_ids
        found: defaultdict[int, dict[str, None]] = defaultdict(dict)
        for (numbers, arrived), item_ids in alike.items():
            for position in kept_at(numbers, arrived):
                found[position].update(dict.fromkeys(item_ids))
        return {
            board_partition(WINDOWS[position]): Move([*moved], position) for position, moved in found.items()
        }

    def sources(self, change: Move) -> Sequence[str]:
        """Return the rows of the moved items."""
        return [item_partition(item_id) for item_id in change.item_ids]

    def read_source(self, state: bytes) -> Windowed:
        """Return an item's counters."""
        return ITEM_ROWS_IN_PARTS.body(state).counters

    def fold(self, body: Board, change: Move, sources: Mapping[str, Windowed]) -> None:
        """Put the moved items' counts on the board.

        Ages begin at the latest arrival in any of their rows, not only of what moved them: a row may be ahead
        of the board, and have forgotten what was old then.
        """
        window = WINDOWS[position := change.position]
        items = {item_id: sources.get(item_partition(item_id)) for item_id in change.item_ids}
        arrivals = [window.number(counters.arrived_s) for counters in items.values() if counters is not None]
        advance(body, max([body.newest, *arrivals]), window.kept)
        for item_id, counters in items.items():
            body.items.pop(item_id, None)
            if counters is None:
                continue
            series = series_of(counters.windows[position], body.newest, body.newest - window.kept)
            if series:
                body.items[item_id] = series
        trim(body, SPANS[position])
