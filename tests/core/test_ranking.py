"""Boards: what they show is exact, what they have no place for is bounded, at every moment after."""

from __future__ import annotations

from collections import Counter
from itertools import product
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
NAMES = [f"i{number}" for number in range(9)]


def events_of(names: list[str]) -> st.SearchStrategy[list[tuple[int, str, int, int]]]:
    """Sub-windows that pass before something happens to an item, in a sub-window so many back."""
    passed, back = st.sampled_from([0, 0, 0, 0, 0, 1, 2, 7, 12]), st.sampled_from([0, 0, 1, 3, 12, 13])
    event = st.tuples(passed, st.sampled_from(names), CODES, back)
    return st.lists(event, min_size=12, max_size=40) | st.lists(event, max_size=12)  # a board is full, or not


EVENTS = events_of(NAMES)
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
    st.sampled_from([0, 0, 0, 1, 2, 12, 20]),
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


@given(events_of(NAMES[:4]), WEIGHTS)
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


COUNTS = st.integers(1, 4)
SERIES = st.dictionaries(
    CODES, st.dictionaries(st.integers(0, KEPT), COUNTS, min_size=1, max_size=3), min_size=1
)


@given(st.dictionaries(st.sampled_from(NAMES), SERIES, min_size=5))
def test_the_first_of_each_ranking_stay_and_of_equals_the_smaller_ids(
    items: dict[str, ranking.Series],
) -> None:
    board = Board(START, dict(items), {})
    trim(board, SPANS)
    first: set[str] = set()
    for span in SPANS:
        counts = {item_id: ranking.counted(series, span) for item_id, series in items.items()}
        heights = {
            ranking.OVERALL: {item_id: score(each, DEFAULT_WEIGHTS) for item_id, each in counts.items()},
            **{code: {item_id: each.get(code, 0) for item_id, each in counts.items()} for code in INTERESTED},
        }
        for code, found in heights.items():
            ranked = sorted([(-height, item_id) for item_id, height in found.items() if height])
            first |= {item_id for _, item_id in ranked[: 4 if code == ranking.OVERALL else 2]}
    assert set(board.items) == first


LATER = st.sampled_from([name.upper() for name in NAMES])
LOW = st.builds(lambda code: {code: {0: 1}}, CODES)


@given(
    st.dictionaries(st.sampled_from(NAMES), SERIES, min_size=6),
    st.dictionaries(LATER, LOW, max_size=9) | st.dictionaries(LATER, SERIES, max_size=9),
    st.sampled_from([DEFAULT_WEIGHTS, {VIEW: 1}, {PURCHASE: 1}]),
)
def test_right_after_a_trim_the_error_is_what_the_highest_of_those_not_listed_has_more(
    items: dict[str, ranking.Series], others: dict[str, ranking.Series], weights: ranking.Weights
) -> None:
    board = Board(START, {}, {})
    for more in (items, others):
        board.items |= more
        trim(board, SPANS)
    everything = items | others
    for trend, n in product(TRENDS[:2], range(1, 10)):
        answer = rank([board], trend, START * 300, weights, n)
        listed = [item.item_id for item in answer.items]
        lowest = answer.items[-1].score if len(listed) == n else 0
        true = {
            item_id: score(ranking.counted(each, trend.hops), weights) for item_id, each in everything.items()
        }
        exceed = [total - lowest for item_id, total in true.items() if item_id not in listed]
        assert answer.error_max == max([0, *exceed])


@pytest.mark.parametrize(("n", "error_max"), [(1, 2), (2, 3), (3, 3)])
def test_an_item_may_have_more_in_a_stripe_where_it_has_no_place(n: int, error_max: int) -> None:
    one = Board(START, {"first": {VIEW: {0: 4}}, "second": {VIEW: {0: 5}}}, {})
    other = Board(START, {"first": {VIEW: {0: 2}}}, {VIEW: {0: 3}, ranking.OVERALL: {0: 3}})
    answer = rank([one, other], HOUR, START * 300, DEFAULT_WEIGHTS, n)
    assert [(item.item_id, item.score) for item in answer.items] == [("first", 6), ("second", 5)][:n]
    assert answer.error_max == error_max  # of the second, that may have 8


def test_of_those_without_a_place_each_ranking_bounds_the_score_by_any_weights() -> None:
    board = Board(START, {f"i{number}": {CART: {0: 9}, PURCHASE: {0: 9}} for number in range(4)}, {})
    board.items |= {"j": {CART: {0: 5}}, "k": {PURCHASE: {0: 2}}}
    trim(board, SPANS)
    # By types an item may have 5 and 2 events, but none has more than 20: 4 for a cart, 10 for a purchase.
    assert ranking.unseen(board, 0, {CART: 1, PURCHASE: 1}) == 5
    assert ranking.unseen(board, 0, {CART: 1, PURCHASE: 10}) == 20


@given(EVENTS, WEIGHTS)
def test_an_item_by_itself_ranks_as_among_all(
    events: list[tuple[int, str, int, int]], weights: ranking.Weights
) -> None:
    board, _, now = play(events)
    everything = {item.item_id: item for item in rank([board], HOUR, now * 300, weights, 9).items}
    for item_id in NAMES:
        alone = rank([board], HOUR, now * 300, weights, 9, {item_id}).items
        assert alone == [everything[each] for each in everything if each == item_id]


def test_nothing_is_forgotten_before_it_is_full() -> None:
    board = Board(START, {f"i{number}": {VIEW: {KEPT - 1: 1}} for number in range(4)}, {})
    trim(board, SPANS)
    advance(board, START + 1, KEPT)
    assert len(board.items) == 4
    assert not board.evicted
    advance(board, START + 2, KEPT)
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
    assert len(board.items) == BOARD_PLACES // 2
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
