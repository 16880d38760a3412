"""Boards: what they show is exact, what they have no place for is bounded, at every moment after."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.core import ranking
from tapstack.core.aggregates import WINDOWS, Numbered
from tapstack.core.events import EVENT_TYPES, TYPE_CODE
from tapstack.core.ranking import (
    BOARD_BYTES_MAX,
    BOARD_PLACES,
    DEFAULT_WEIGHTS,
    INTERESTED,
    TRENDS,
    Board,
    Trend,
    advance,
    rank,
    score,
    series_of,
    trim,
)

HOUR = TRENDS[1]
KEPT = HOUR.window.kept
SPANS = [trend.hops for trend in TRENDS if trend.position == HOUR.position]
START = 1_000
VIEW, CART, PURCHASE = (TYPE_CODE[name] for name in ("item_view", "cart_add", "purchase"))
CODES = st.sampled_from([VIEW, CART, PURCHASE])
ITEMS = st.sampled_from([f"i{number}" for number in range(9)])
# Sub-windows that pass before something happens to an item, in a sub-window so many back.
EVENT = st.tuples(st.sampled_from([0, 0, 0, 1, 2, 7]), ITEMS, CODES, st.sampled_from([0, 0, 1, 3, 12, 13]))
EVENTS = st.lists(EVENT, max_size=30)
WEIGHTS = st.sampled_from([DEFAULT_WEIGHTS, {VIEW: 1}, {PURCHASE: 1}, {VIEW: 3, CART: 1, PURCHASE: 7}])
Exact = dict[str, dict[int, Counter[int]]]  # by item and number of a sub-window


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "BOARD_PLACES", 4)


def play(events: list[tuple[int, str, int, int]]) -> tuple[Board, Exact, int]:
    """Fold events into a board one by one, as the projection does: an item's exact counts, then the trim."""
    board, exact, now = Board(START, {}, {}), Exact(), START
    for passed, item_id, code, back in events:
        now += passed
        windows = exact.setdefault(item_id, {})
        if back <= KEPT:
            windows.setdefault(now - back, Counter())[code] += 1
        advance(board, now, KEPT)
        board.items.pop(item_id, None)
        if series := series_of(windows, now, now - KEPT):  # type: ignore[arg-type]
            board.items[item_id] = series
        trim(board, SPANS)
        board = msgspec.msgpack.decode(msgspec.msgpack.encode(board), type=Board)
    return board, exact, now


def scores(exact: list[Exact], first: int, last: int, weights: ranking.Weights) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each in exact:
        for item_id, windows in each.items():
            for number, counts in windows.items():
                found[item_id] += score(counts, weights) if first <= number <= last else 0
    return {item_id: each for item_id, each in found.items() if each}


@given(
    st.lists(EVENTS, min_size=1, max_size=3),
    st.sampled_from(TRENDS[:2]),
    WEIGHTS,
    st.integers(1, 6),
    st.integers(0, 20),
)
def test_no_answer_is_wrong_by_more_than_it_says(
    stripes: list[list[tuple[int, str, int, int]]], trend: Trend, weights: ranking.Weights, n: int, later: int
) -> None:
    played = [play(events) for events in stripes]
    boards, exact = [board for board, _, _ in played], [each for _, each, _ in played]
    last = max(now for _, _, now in played) + later
    answer = rank(boards, trend, last * 300 + 7, weights, n)
    assert (answer.first, answer.last) == (last - trend.length_s // 300, last)
    true = scores(exact, answer.first, answer.last, weights)
    shown = {item.item_id: item.score for item in answer.items}
    assert list(shown.items()) == sorted(shown.items(), key=lambda entry: (-entry[1], entry[0]))
    assert all(score(item.counts, weights) == item.score > 0 for item in answer.items)
    lowest = answer.items[-1].score if len(answer.items) == n else 0
    assert len(shown) <= n
    for item_id, total in true.items():
        if item_id in shown:
            assert shown[item_id] <= total <= shown[item_id] + answer.error_max
        else:
            assert total <= lowest + answer.error_max


@given(EVENTS.filter(lambda events: len({item for _, item, _, _ in events}) <= 4), WEIGHTS)
def test_what_has_room_is_exact(events: list[tuple[int, str, int, int]], weights: ranking.Weights) -> None:
    board, exact, now = play(events)
    answer = rank([board], HOUR, now * 300, weights, 9)
    assert answer.error_max == 0
    assert {item.item_id: item.score for item in answer.items} == scores([exact], now - 12, now, weights)


@given(EVENTS, st.sampled_from([DEFAULT_WEIGHTS, {VIEW: 1}, {PURCHASE: 1}]))
def test_the_highest_are_exact_at_the_moment_of_a_trim(
    events: list[tuple[int, str, int, int]], weights: ranking.Weights
) -> None:
    board, exact, now = play(events)
    true = scores([exact], now - 12, now, weights)
    answer = rank([board], HOUR, now * 300, weights, 1)
    best = sorted(true.items(), key=lambda entry: (-entry[1], entry[0]))[:1]
    assert [(item.item_id, item.score) for item in answer.items] == best


def test_a_board_that_is_ahead_of_the_clock_is_answered_for_its_own_time() -> None:
    board = Board(START, {"a": {VIEW: {0: 2, 12: 1}}}, {})
    answer = rank([board], HOUR, (START - 1) * 300, DEFAULT_WEIGHTS, 5)
    assert (answer.first, answer.last, answer.items[0].score) == (START - 12, START, 3)


def test_of_equals_the_smaller_ids_stay() -> None:
    names = [f"i{number}" for number in range(9)]
    board = Board(START, {name: {VIEW: {0: 1}} for name in reversed(names)}, {})
    trim(board, SPANS)
    assert sorted(board.items) == names[:4]


def test_nothing_is_forgotten_before_it_is_full() -> None:
    board = Board(START, {f"i{number}": {VIEW: {KEPT: 1}} for number in range(4)}, {})
    trim(board, SPANS)
    assert len(board.items) == 4
    assert not board.evicted
    advance(board, START + 1, KEPT)
    assert not board.items


def test_ages_never_go_back() -> None:
    board = Board(START, {"a": {VIEW: {0: 1}}}, {})
    advance(board, START - 1, KEPT)
    assert (board.newest, board.items) == (START, {"a": {VIEW: {0: 1}}})


def test_no_board_outgrows_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of many items has every type in every sub-window, and the longest id."""
    monkeypatch.setattr(ranking, "BOARD_PLACES", BOARD_PLACES)
    ages = dict.fromkeys(range(KEPT + 1), 2**53)
    items = {f"{number:03}{'😀' * 253}": dict.fromkeys(INTERESTED, ages) for number in range(BOARD_PLACES)}
    board = Board(START, dict(items), {})
    trim(board, SPANS)
    assert 2 <= len(board.items) < BOARD_PLACES
    assert len(msgspec.msgpack.encode(board)) < 2 * BOARD_BYTES_MAX
    places = {f"{n:012}": {VIEW: dict.fromkeys(range(KEPT), 9)} for n in range(2 * BOARD_PLACES)}
    usual = Board(START, places, {})
    trim(usual, SPANS)
    assert len(usual.items) == BOARD_PLACES
    assert len(msgspec.msgpack.encode(usual)) < BOARD_BYTES_MAX


def test_trends_cover_whole_sub_windows_that_rows_keep() -> None:
    for trend in TRENDS:
        assert trend.length_s % trend.window.length_s == 0
        assert trend.hops <= WINDOWS[trend.position].kept


MOVES: dict[str, bool] = {
    **dict.fromkeys(EVENT_TYPES, False),
    **dict.fromkeys(["item_view", "item_click", "cart_add", "wishlist_add", "purchase", "share"], True),
}


@pytest.mark.parametrize(("event_type", "moves"), MOVES.items(), ids=MOVES)
def test_interest_is_what_a_person_does_with_an_item(event_type: str, moves: bool) -> None:
    counters: dict[Any, int] = {TYPE_CODE[event_type]: 3, "EUR": 10**9}
    windows: Numbered = {START: counters}
    assert series_of(windows, START, START) == ({TYPE_CODE[event_type]: {0: 3}} if moves else {})
    assert series_of(windows, START + 2, START + 1) == {}
