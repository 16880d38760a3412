"""What the insights API answers, from rows that the consumer's core wrote."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import CART, PURCHASE, VIEW, Rows, board, get, item_of, item_state, user_of

from event_strategies import NOON_S, stream_event
from tapstack.core.aggregates import WINDOWS
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, VIEWED_WITH_MAX, count_partner
from tapstack.core.events import EVENT_TYPES
from tapstack.core.history import Recent
from tapstack.core.journal import Watermark, encode_watermark, head_key, watermark_key
from tapstack.core.ranking import Board
from tapstack.core.rows import (
    SHOWING_ROWS,
    UserState,
    anonymous_key,
    board_partition,
    item_partition,
    known_user_key,
    showings_partition,
    stripe_sort_key,
)
from tapstack.http import NotFound

# Users.


def test_event_types_of_a_later_release_are_answered_by_their_numbers() -> None:
    """While it is rolled out, it writes rows that this one reads."""
    rows, later = Rows(), len(EVENT_TYPES)
    rows.put_state(*head_key(0), b"")
    user = UserState(counters={VIEW: 2, later: 1}, recent=[Recent(NOON_S, later, "a")])
    rows.put(*known_user_key("ann"), user)
    rows.put(item_partition("a"), stripe_sort_key(0), item_of((NOON_S, VIEW), (NOON_S, later)))
    window = WINDOWS[0]
    items = {"a": {VIEW: {0: 1}, later: {0: 1}}}
    rows.put(board_partition(window), stripe_sort_key(0), Board(window.number(NOON_S), items, {}))
    name = f"type_{later}"
    answer = get(rows, "/v1/users/ann")
    assert (answer["events"], answer["counts"]) == (3, {"item_view": 2, name: 1})
    assert [each["event_type"] for each in answer["recent_items"]] == [name]
    assert [each["event_type"] for each in get(rows, "/v1/users/ann/history")["items"]] == [name]
    assert get(rows, "/v1/items/a")["counts"] == {"item_view": 1, name: 1}
    assert get(rows, "/v1/trending")["items"][0]["counts"] == {"item_view": 1, name: 1}


def bought_and_viewed() -> UserState:
    return user_of(
        stream_event(event_id="1", occurred_at="2026-03-10T11:30:00Z", context={"locale": "de-DE"}),
        stream_event(
            event_id="2",
            event_type="purchase",
            occurred_at="2026-03-10T11:45:00Z",
            items=[{"item_id": "item-2", "price": 9.99}],
            currency="EUR",
            traits={"plan": "pro"},
            anonymous_id="anon-1",
        ),
        stream_event(event_id="3", occurred_at="2026-03-09T08:00:00Z", session_id="morning"),
    )


def test_a_user_is_described_whole() -> None:
    rows = Rows()
    rows.put(*known_user_key("ann"), bought_and_viewed())
    visit = {
        "session_id": None,
        "start": "2026-03-10T11:30:00Z",
        "end": "2026-03-10T11:45:00Z",
        "events": 2,
        "counts": {"item_view": 1, "purchase": 1},
        "value": {"EUR": 9.99},
        "viewed_items": ["item-1"],
        "bought_items": ["item-2"],
    }
    morning = {
        "session_id": "morning",
        "start": "2026-03-09T08:00:00Z",
        "end": "2026-03-09T08:00:00Z",
        "events": 1,
        "counts": {"item_view": 1},
        "value": {},
        "viewed_items": ["item-1"],
        "bought_items": [],
    }
    assert get(rows, "/v1/users/ann") == {
        "user_id": "ann",
        "events": 3,
        "counts": {"item_view": 2, "purchase": 1},
        "value": {"EUR": 9.99},
        "value_incomplete": False,
        "first_seen": "2026-03-09T08:00:00Z",
        "last_seen": "2026-03-10T11:45:00Z",
        "locale": "de-DE",
        "traits": {"plan": "pro"},
        "anonymous_ids": ["anon-1"],
        "recent_items": [
            {"item_id": "item-2", "event_type": "purchase", "at": "2026-03-10T11:45:00.000Z"},
            {"item_id": "item-1", "event_type": "item_view", "at": "2026-03-10T11:30:00.000Z"},
            {"item_id": "item-1", "event_type": "item_view", "at": "2026-03-09T08:00:00.000Z"},
        ],
        "sessions": {"count": 2, "open": visit, "recent": [visit, morning]},
    }


@pytest.mark.parametrize(("minutes", "is_open"), [(0, True), (15, True), (16, False)])
def test_a_session_is_open_for_half_an_hour_after_its_last_event(minutes: int, is_open: bool) -> None:
    rows = Rows()
    rows.put(*known_user_key("ann"), bought_and_viewed())
    sessions = get(rows, "/v1/users/ann", NOON_S + minutes * 60)["sessions"]
    assert (sessions["open"] is not None) is is_open


def test_a_visitor_is_found_by_the_anonymous_id_and_a_user_goes_before() -> None:
    rows = Rows()
    rows.put(*anonymous_key("x"), user_of(stream_event()))
    assert get(rows, "/v1/users/x")["anonymous_id"] == "x"
    rows.put(*known_user_key("x"), user_of(stream_event(), stream_event(event_id="e-2")))
    assert get(rows, "/v1/users/x")["user_id"] == "x"


def test_a_user_from_the_edges_of_time_can_be_shown() -> None:
    rows = Rows()
    old = stream_event(occurred_at="0001-01-01T00:00:00Z")
    late = stream_event(event_id="e-2", occurred_at="9999-12-31T00:00:00Z")
    rows.put(*known_user_key("ann"), user_of(old, late))
    shown = get(rows, "/v1/users/ann")
    assert (shown["first_seen"], shown["last_seen"]) == ("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z")


# Items.


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(-3 * 86_400, 0).map(lambda offset: NOON_S + offset),
                st.sampled_from([VIEW, PURCHASE, CART]),
            ),
            max_size=9,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_an_items_lanes_are_added(stripes: list[list[tuple[int, int]]]) -> None:
    rows = Rows()
    for stripe, counted in enumerate(stripes):
        rows.put(item_partition("a"), stripe_sort_key(stripe), item_of(*counted))
    shown = get(rows, "/v1/items/a")
    everything = [pair for counted in stripes for pair in counted]
    assert shown["events"] == len(everything)
    for window in WINDOWS:
        expected: dict[int, int] = {}
        for at_s, _ in everything:
            if at_s // window.length_s > NOON_S // window.length_s - window.kept:
                expected[at_s // window.length_s] = expected.get(at_s // window.length_s, 0) + 1
        found = [entry["events"] for entry in shown["windows"][window.name]]
        assert found == [expected[number] for number in sorted(expected, reverse=True)]


def test_windows_that_a_lane_may_have_dropped_are_not_shown() -> None:
    rows = Rows()
    window = WINDOWS[0]
    rows.put(item_partition("a"), stripe_sort_key(0), item_of((NOON_S, VIEW)))
    last_s = NOON_S - NOON_S % window.length_s + window.kept * window.length_s - 1
    assert len(get(rows, "/v1/items/a", last_s)["windows"]["5m"]) == 1
    assert get(rows, "/v1/items/a", last_s + 1)["windows"]["5m"] == []
    assert get(rows, "/v1/items/a", last_s + 1)["events"] == 1


@pytest.mark.parametrize(("path", "field"), [("also-viewed", "viewed_with"), ("also-bought", "bought_with")])
def test_partners_are_added_over_lanes_and_ranked(path: str, field: str) -> None:
    rows = Rows()
    for stripe, partners in enumerate([{"b": 2, "c": 1}, {"c": 4, "d": 2}]):
        rows.put(item_partition("a"), stripe_sort_key(stripe), item_state(**{field: partners}))
    assert get(rows, f"/v1/items/a/{path}") == {
        "item_id": "a",
        "items": [
            {"item_id": name, "count": count, "support": None, "lift": None}
            for name, count in (("c", 5), ("b", 2), ("d", 2))
        ],
        "count_error_max": 0,
        "as_of": "2026-03-10T12:00:00Z",
        "since": None,
    }
    assert len(get(rows, f"/v1/items/a/{path}", n="2")["items"]) == 2
    other = {"also-viewed": "also-bought", "also-bought": "also-viewed"}[path]
    assert get(rows, f"/v1/items/a/{other}")["items"] == []


@pytest.mark.parametrize(
    ("shop", "own", "others", "since_s", "expected"),
    [
        (40, 2, 5, 0, (0.1, 16.0)),
        (40, 2, 0, 0, (0.1, None)),
        (40, 0, 5, 0, (0.1, None)),
        (0, 2, 5, 0, (None, None)),
        (40, 2, 5, NOON_S, (None, None)),
    ],
    ids=["known", "a partner that expired", "an item that expired", "no shop", "a shop counted later"],
)
def test_support_and_lift_are_none_where_they_cannot_be_told(
    shop: int, own: int, others: int, since_s: int, expected: tuple[float | None, float | None]
) -> None:
    rows = Rows()
    for lane in (0, 4):
        rows.put_state(*head_key(lane), b"")
    for projection in ("items", "impressions"):
        rows.put_state(*watermark_key(projection), encode_watermark(Watermark({0: 1, 4: 1}, since_s)))
    for stripe in (0, 1):
        half = slice(stripe, None, 2)
        state = SHOWING_ROWS.new()
        state.counters.lifetime.update({VIEW: len(range(shop)[half])})
        rows.put(showings_partition(""), stripe_sort_key(stripe), state)
        item = item_of(*[(NOON_S, VIEW)] * len(range(own)[half]), viewed={"b": 2})
        rows.put(item_partition("a"), stripe_sort_key(stripe), item)
        other = item_of(*[(NOON_S, VIEW)] * len(range(others)[half]))
        rows.put(item_partition("b"), stripe_sort_key(stripe), other)
    (shown,) = get(rows, "/v1/items/a/also-viewed")["items"]
    assert (shown["count"], shown["support"], shown["lift"]) == (4, *expected)


PLACES = {"also-viewed": ("viewed_with", VIEWED_WITH_MAX), "also-bought": ("bought_with", BOUGHT_WITH_MAX)}


@pytest.mark.parametrize("kind", PLACES)
@given(random=st.randoms(use_true_random=False), stripes_count=st.integers(1, 4), spare=st.integers(-20, 20))
def test_no_partners_count_is_off_by_more_than_the_answer_says(
    kind: str, random: Random, stripes_count: int, spare: int
) -> None:
    field, places = PLACES[kind]
    names = [f"i{number}" for number in range(max(1, places + spare))]
    weights = [1 / (number + 1) for number in range(len(names))]  # a few are frequent, as in a shop
    true: Counter[str] = Counter()
    stripes: list[dict[str, int]] = [{} for _ in range(stripes_count)]
    for partner in random.choices(names, weights, k=random.randrange(600)):
        true[partner] += 1
        count_partner(random.choice(stripes), partner, places)
    rows = Rows()
    for stripe, partners in enumerate(stripes):
        rows.put(item_partition("a"), stripe_sort_key(stripe), item_state(**{field: partners}))
    shown = get(rows, f"/v1/items/a/{kind}", n="100")
    told = {entry["item_id"]: entry["count"] for entry in shown["items"]}
    for partner in true | told:
        assert abs(told.get(partner, 0) - true[partner]) <= shown["count_error_max"]
    if all(len(partners) < places for partners in stripes):
        assert shown["count_error_max"] == 0


@pytest.mark.parametrize("kind", PLACES)
def test_a_full_lane_that_forgot_a_partner_makes_its_count_too_low_by_what_is_said(kind: str) -> None:
    field, places = PLACES[kind]
    full: dict[str, int] = {}
    for partner in ("b", *(f"i{number}" for number in range(places))):
        count_partner(full, partner, places)
    assert "b" not in full
    rows = Rows()
    rows.put(item_partition("a"), stripe_sort_key(0), item_state(**{field: full}))
    rows.put(item_partition("a"), stripe_sort_key(1), item_state(**{field: {"b": 5}}))
    shown = get(rows, f"/v1/items/a/{kind}")
    assert (shown["items"][0]["item_id"], shown["items"][0]["count"]) == ("b", 5)  # it was paired 6 times
    assert shown["count_error_max"] == 1


# Rows that have expired.


@pytest.mark.parametrize(("expires_in_s", "is_alive"), [(1, True), (0, False), (-86_400, False)])
def test_an_expired_row_that_is_still_there_is_gone(expires_in_s: int, is_alive: bool) -> None:
    rows = Rows()
    rows.put(*known_user_key("ann"), user_of(stream_event()), NOON_S + expires_in_s)
    rows.put(item_partition("a"), stripe_sort_key(0), item_of((NOON_S, VIEW)), NOON_S + expires_in_s)
    board(rows, 0, {"a": 1}, NOON_S + expires_in_s)
    for path in ("/v1/users/ann", "/v1/items/a", "/v1/items/a/also-viewed"):
        if is_alive:
            get(rows, path)
        else:
            with pytest.raises(NotFound):
                get(rows, path)
    assert bool(get(rows, "/v1/trending")["items"]) is is_alive


def test_an_expired_lane_is_left_out_of_the_sum() -> None:
    rows = Rows()
    rows.put(item_partition("a"), stripe_sort_key(0), item_of((NOON_S, VIEW)), NOON_S - 1)
    rows.put(item_partition("a"), stripe_sort_key(1), item_of((NOON_S, VIEW), (NOON_S, VIEW)), NOON_S + 1)
    assert get(rows, "/v1/items/a")["events"] == 2


def test_an_expired_user_does_not_hide_the_visitor_of_that_id() -> None:
    rows = Rows()
    rows.put(*known_user_key("x"), user_of(stream_event()), NOON_S - 1)
    rows.put(*anonymous_key("x"), user_of(stream_event()))
    assert get(rows, "/v1/users/x")["anonymous_id"] == "x"
