"""Trends: what slides, how it is weighed, and by how much an answer may be wrong."""

from __future__ import annotations

import json

import pytest
from insights_world import CART, NOON_S, PURCHASE, VIEW, Rows, board, get

from tapstack.core.aggregates import WINDOWS
from tapstack.core.ranking import DEFAULT_WEIGHTS, OVERALL, TRENDS, Board, Series
from tapstack.core.rows import board_partition, stripe_sort_key
from tapstack.http import Request
from tapstack.insights.respond import respond

ALL = {"item_view": 1, "item_click": 1, "cart_add": 4, "wishlist_add": 3, "purchase": 10, "share": 2}


def put(rows: Rows, items: dict[str, Series], position: int = 0) -> None:
    window = WINDOWS[position]
    rows.put(board_partition(window), stripe_sort_key(0), Board(window.number(NOON_S), items, {}))


def test_trends_add_stripes_and_rank() -> None:
    rows = Rows()
    board(rows, 0, {"a": 3, "b": 1})
    board(rows, 1, {"b": 5})
    assert get(rows, "/v1/trending") == {
        "window": "1h",
        "from": "2026-03-10T11:00:00Z",
        "to": "2026-03-10T12:05:00Z",
        "items": [
            {"item_id": "b", "score": 6, "counts": {"item_view": 6}},
            {"item_id": "a", "score": 3, "counts": {"item_view": 3}},
        ],
        "weights": ALL,
        "count_error_max": 0,
        "as_of": "2026-03-10T12:00:00Z",
        "since": None,
    }


@pytest.mark.parametrize(
    ("window", "now_s", "start"),
    [
        ("5m", NOON_S, "2026-03-10T11:55:00Z"),
        ("5m", NOON_S + 299, "2026-03-10T11:55:00Z"),
        ("1h", NOON_S + 300, "2026-03-10T11:05:00Z"),
        ("24h", NOON_S + 3_599, "2026-03-09T12:00:00Z"),
        ("7d", NOON_S, "2026-03-03T00:00:00Z"),
    ],
)
def test_a_window_covers_its_length_and_less_than_a_sub_window_more(
    window: str, now_s: int, start: str
) -> None:
    shown = get(Rows(), "/v1/trending", now_s, window=window)
    assert (shown["from"], shown["items"]) == (start, [])


@pytest.mark.parametrize("trend", TRENDS, ids=lambda trend: trend.name)
def test_what_leaves_a_window_leaves_it_a_sub_window_at_a_time(trend: object) -> None:
    assert isinstance(trend, type(TRENDS[0]))
    rows, hop_s = Rows(), trend.window.length_s
    put(rows, {"a": {VIEW: {0: 1, 1: 10}}}, trend.position)
    scores = [
        [
            item["score"]
            for item in get(rows, "/v1/trending", NOON_S + later * hop_s, window=trend.name)["items"]
        ]
        for later in (0, trend.hops - 1, trend.hops, trend.hops + 1)
    ]
    assert scores == [[11], [11], [1], []]


def test_weights_are_those_of_the_settings_and_a_type_by_itself_has_none() -> None:
    rows = Rows()
    put(rows, {"seen": {VIEW: {0: 9}}, "bought": {VIEW: {0: 1}, PURCHASE: {1: 1}}, "carted": {CART: {0: 2}}})

    def ranked(query: dict[str, str], weights: dict[int, int]) -> list[tuple[str, int]]:
        request = Request(method="GET", path=("v1", "trending"), query=tuple(query.items()))
        answer = json.loads(respond(request, rows, NOON_S, weights=weights).body)
        return [(item["item_id"], item["score"]) for item in answer["items"]]

    assert ranked({}, dict(DEFAULT_WEIGHTS)) == [("bought", 11), ("seen", 9), ("carted", 8)]
    assert ranked({}, {VIEW: 1, CART: 5}) == [("carted", 10), ("seen", 9), ("bought", 1)]
    assert ranked({"type": "item_view"}, {CART: 5}) == [("seen", 9), ("bought", 1)]
    assert ranked({"type": "purchase", "window": "5m"}, {CART: 5}) == [("bought", 1)]
    assert ranked({"type": "share"}, {CART: 5}) == []


def test_the_error_is_what_an_item_without_a_place_may_have_more_than_the_last_listed() -> None:
    rows = Rows()
    board(rows, 0, {"a": 9, "b": 7}, evicted={VIEW: {0: 5, 1: 8}, OVERALL: {0: 5, 1: 8}})
    assert get(rows, "/v1/trending", n="1")["count_error_max"] == 0
    assert get(rows, "/v1/trending", n="2")["count_error_max"] == 8 - 7
    assert get(rows, "/v1/trending", n="3")["count_error_max"] == 8
    assert get(rows, "/v1/trending", n="3", type="purchase")["count_error_max"] == 0


def test_the_error_is_also_what_a_stripe_without_a_place_for_an_item_may_have_of_it() -> None:
    rows = Rows()
    board(rows, 0, {"a": 9})
    board(rows, 1, {"b": 7}, evicted={VIEW: {0: 2}, OVERALL: {0: 2}})
    assert get(rows, "/v1/trending", n="1")["count_error_max"] == 2
    board(rows, 1, {"a": 7}, evicted={VIEW: {0: 2}, OVERALL: {0: 2}})
    assert get(rows, "/v1/trending", n="1")["count_error_max"] == 0


def test_with_other_weights_the_bound_is_the_tighter_of_two() -> None:
    """Each type by itself, or all of them by the default weights, as far as other weights exceed those."""
    rows = Rows()
    board(rows, 0, {}, evicted={VIEW: {0: 30}, PURCHASE: {0: 3}, OVERALL: {0: 40}})

    def error(weights: dict[int, int]) -> int:
        request = Request(method="GET", path=("v1", "trending"))
        return int(json.loads(respond(request, rows, NOON_S, weights=weights).body)["count_error_max"])

    assert error(dict(DEFAULT_WEIGHTS)) == 40  # and not 30 + 3 * 10
    assert error({VIEW: 1, PURCHASE: 1}) == 33
    assert error({PURCHASE: 15}) == 45
    assert error({PURCHASE: 3, VIEW: 1}) == 39
