"""Leaderboards: the most active items of each window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tapstack.core.aggregates import WINDOWS, window_numbers
from tapstack.core.journal import DERIVED_TTL_MIN_S, Entry
from tapstack.core.ranking import INTERESTED, interest, trim
from tapstack.core.rows import board_partition, decode_board, decode_item, encode_state, item_partition
from tapstack.projections.items import NAME as ITEMS

NAME = "leaderboards"


class Move(NamedTuple):
    """An item that may rise in a window."""

    item_id: str
    position: int  # of the window's length in `WINDOWS`
    number: int  # of the window


class Leaderboards:
    """A row for each window; see `tapstack.projections._projection.Projection`.

    It takes each moved item's exact count from the item's own row, which the items' projection has written by
    then.
    """

    name = NAME
    after = ITEMS
    keep_s = DERIVED_TTL_MIN_S  # nobody asks for old ones

    def changes(self, entry: Entry) -> Mapping[str, Sequence[Move]]:
        """Return the items that an entry moves, once each, by leaderboard."""
        found: defaultdict[str, dict[Move, None]] = defaultdict(dict)
        for effect in entry.effects:
            if effect.code not in INTERESTED:
                continue
            numbers = window_numbers(effect.at_s)
            for position, (window, number) in enumerate(zip(WINDOWS, numbers, strict=True)):
                if window.keeps(number, entry.arrived_s, effect.arrived_s):
                    board = found[board_partition(window, number)]
                    board.update(
                        dict.fromkeys(Move(item_id, position, number) for item_id in effect.item_ids)
                    )
        return {partition: list(moves) for partition, moves in found.items()}

    def sources(self, changes: Sequence[Move]) -> Sequence[str]:
        """Return the rows of the moved items."""
        return [item_partition(move.item_id) for move in changes]

    def fold(self, body: bytes | None, changes: Sequence[Move], sources: Mapping[str, bytes]) -> bytes:
        """Put the moved items' counts on the board."""
        board = {} if body is None else decode_board(body)
        for item_id, position, number in dict.fromkeys(changes):
            row = sources.get(item_partition(item_id))
            counted = None if row is None else decode_item(row).counters.windows[position].get(number)
            if counted is not None:
                board[item_id] = interest(counted)
        return encode_state(trim(board))
