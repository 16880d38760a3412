"""Leaderboards: the items that may trend, a board for each length of sub-windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tapstack.core.aggregates import WINDOWS, window_numbers
from tapstack.core.journal import DERIVED_TTL_MIN_S, Entry
from tapstack.core.ranking import INTERESTED, TRENDS, Board, advance, series_of, trim
from tapstack.core.rows import board_partition, decode_board, decode_item, encode_state, item_partition
from tapstack.projections.items import NAME as ITEMS

NAME = "leaderboards"
SPANS = tuple(
    [trend.hops for trend in TRENDS if trend.position == position] for position in range(len(WINDOWS))
)


class Move(NamedTuple):
    """An item that may rise."""

    item_id: str
    position: int  # in `WINDOWS`, of the sub-windows in which it may


class Leaderboards:
    """A row for each length of sub-windows; see `tapstack.projections._projection.Projection`.

    It takes each moved item's exact counts from the item's own row, which the items' projection has written
    by then.
    """

    name = NAME
    after = ITEMS
    definition = ""
    keep_s = DERIVED_TTL_MIN_S  # nobody asks for old ones

    def changes(self, entry: Entry) -> Mapping[str, Sequence[Move]]:
        """Return the items that an entry moves, once each, by leaderboard.

        Each effect is judged by its own arrival, as its item's row does: other records of the entry may have
        arrived days later. That row does not know of them, and a board shows what rows have.
        """
        found: tuple[dict[str, None], ...] = tuple([{} for _ in WINDOWS])
        for effect in entry.effects:
            if effect.code not in INTERESTED:
                continue
            numbers, newest = window_numbers(effect.at_s), window_numbers(effect.arrived_s)
            for position, window in enumerate(WINDOWS):
                if newest[position] - window.kept <= numbers[position] <= newest[position]:
                    found[position].update(dict.fromkeys(effect.item_ids))
        return {
            board_partition(window): [Move(item_id, position) for item_id in found[position]]
            for position, window in enumerate(WINDOWS)
            if found[position]
        }

    def sources(self, changes: Sequence[Move]) -> Sequence[str]:
        """Return the rows of the moved items."""
        return [item_partition(move.item_id) for move in changes]

    def fold(self, body: bytes | None, changes: Sequence[Move], sources: Mapping[str, bytes]) -> bytes:
        """Put the moved items' counts on the board.

        Ages begin at the latest arrival in any of their rows, not only of what moved them: a row may be ahead
        of the board, and have forgotten what was old then.
        """
        board = Board() if body is None else decode_board(body)
        window = WINDOWS[position := changes[0].position]
        moved = dict.fromkeys(move.item_id for move in changes)
        rows = {item_id: sources.get(item_partition(item_id)) for item_id in moved}
        items = {item_id: decode_item(row).counters for item_id, row in rows.items() if row is not None}
        arrivals = [window.number(counters.arrived_s) for counters in items.values()]
        advance(board, max([board.newest, *arrivals]), window.kept)
        for item_id in moved:
            board.items.pop(item_id, None)
            counters = items.get(item_id)
            if counters is None:
                continue
            series = series_of(counters.windows[position], board.newest, board.newest - window.kept)
            if series:
                board.items[item_id] = series
        trim(board, SPANS[position])
        return encode_state(board)
