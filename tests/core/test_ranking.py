"""Leaderboards: the true top of a lane, and how far the sum of lanes may be off."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.core.events import EVENT_TYPES, TYPE_CODE
from tapstack.core.ranking import BOARD_PLACES, Board, interest, merge_boards, trim

ITEMS = [f"i{number:03}" for number in range(BOARD_PLACES + 12)]
# Interactions in any order; the first draw makes most items meet the board's edge.
interactions = st.lists(st.sampled_from(ITEMS), max_size=60).flatmap(
    lambda more: st.permutations(ITEMS).map(lambda all_once: all_once + more)
)


def in_order(scores: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))


def played(events: list[str]) -> tuple[Board, Counter[str]]:
    """Keep a board as transactions do: an item's exact count in, the board trimmed."""
    board: Board = {}
    exact: Counter[str] = Counter()
    for item_id in events:
        exact[item_id] += 1
        board[item_id] = exact[item_id]
        board = trim(board)
    return board, exact


@given(interactions)
def test_a_board_is_the_true_top_whatever_the_order(events: list[str]) -> None:
    board, exact = played(events)
    assert len(board) == BOARD_PLACES
    for item_id, score in board.items():
        assert score == exact[item_id]
    lowest = min(board.values())
    assert all(count <= lowest for item_id, count in exact.items() if item_id not in board)


@given(interactions)
def test_several_changes_in_one_transaction_lead_to_the_same_scores(events: list[str]) -> None:
    board, exact = played(events)
    at_once = trim(dict(exact))
    assert sorted(board.values()) == sorted(at_once.values())


def test_a_board_that_fits_is_left_alone() -> None:
    board = dict.fromkeys(ITEMS[:BOARD_PLACES], 1)
    assert trim(board) is board


def test_of_equals_the_smaller_ids_stay() -> None:
    assert sorted(trim(dict.fromkeys(reversed(ITEMS), 1))) == ITEMS[:BOARD_PLACES]


@given(st.lists(interactions, min_size=1, max_size=3), st.lists(st.sampled_from(ITEMS), max_size=10))
def test_added_boards_are_too_low_by_no_more_than_they_say(lanes: list[list[str]], few: list[str]) -> None:
    boards, total = [], Counter[str]()
    for events in [*lanes, few]:
        board, exact = played(events)
        boards.append(board)
        total += exact
    ranked, unseen = merge_boards(boards)
    assert unseen == sum(min(board.values()) for board in boards if len(board) == BOARD_PLACES)
    found = dict(ranked)
    assert ranked == in_order(found)
    for item_id, count in total.items():
        assert found.get(item_id, 0) <= count <= found.get(item_id, 0) + unseen


@given(st.lists(st.dictionaries(st.sampled_from(ITEMS[: BOARD_PLACES - 1]), st.integers(1, 9)), max_size=4))
def test_boards_with_room_to_spare_add_up_exactly(boards: list[dict[str, int]]) -> None:
    total: Counter[str] = Counter()
    for board in boards:
        total.update(board)
    assert merge_boards(boards) == (in_order(total), 0)


MOVES: dict[str, bool] = {
    **dict.fromkeys(EVENT_TYPES, False),
    **dict.fromkeys(["item_view", "item_click", "cart_add", "wishlist_add", "purchase", "share"], True),
}


@pytest.mark.parametrize(("event_type", "moves"), MOVES.items(), ids=MOVES)
def test_interest_is_what_a_person_does_with_an_item(event_type: str, moves: bool) -> None:
    counters: dict[Any, int] = {TYPE_CODE[event_type]: 3, "EUR": 10**9}
    assert interest(counters) == (3 if moves else 0)
