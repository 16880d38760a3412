"""Leaderboards: the most active items of a window in one stripe.

An item's row holds its exact count in the window, and every change of it moves the item on the board, once
the row is written. Counts only rise, so a board of the `BOARD_PLACES` highest is exact: an item that is not
on it has at most the lowest count that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tapstack.core.aggregates import Counters
from tapstack.core.events import TYPE_CODE

BOARD_PLACES = 64
# Having been shown in a list is not interest, and a removal is the opposite of it.
INTERESTED: frozenset[int | str] = frozenset(
    TYPE_CODE[name] for name in ("item_view", "item_click", "cart_add", "wishlist_add", "purchase", "share")
)

Board = dict[str, int]


def interest(counters: Counters) -> int:
    """Count the interactions that make an item trend."""
    return sum([count for code, count in counters.items() if code in INTERESTED])


def trim(board: Board) -> Board:
    """Keep the highest scores; of equal ones the smaller ids."""
    if len(board) <= BOARD_PLACES:
        return board
    ranked = sorted(sorted(board), key=board.__getitem__, reverse=True)  # which leaves equals in order
    return {item_id: board[item_id] for item_id in ranked[:BOARD_PLACES]}


def merge_boards(boards: Iterable[Mapping[str, int]]) -> tuple[list[tuple[str, int]], int]:
    """Add up the boards of all stripes.

    Returns
    -------
    tuple
        Items with their scores, highest first, ties by id; and by how much a score may be too low,
        and the score of an item that is on no board too: the sum of the full boards' lowest scores.
    """
    total: dict[str, int] = {}
    unseen = 0
    for board in boards:
        for item_id, score in board.items():
            total[item_id] = total.get(item_id, 0) + score
        if len(board) >= BOARD_PLACES:
            unseen += min(board.values())
    return sorted(total.items(), key=_rank), unseen


def _rank(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]
