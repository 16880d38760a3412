"""Counters in windows: exact, whatever the order of events and arrivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S, stream_event, stream_events
from tapstack.core.aggregates import (
    CURRENCIES_MAX,
    LARGE,
    MICROS,
    WINDOWS,
    Counters,
    Numbers,
    Windowed,
    add_counts,
    add_in_windows,
    count_bought,
    item_bought,
    merge_counts,
    millionths,
    new_counters,
    sums,
    user_bought,
    window_numbers,
)
from tapstack.core.events import TYPE_CODE, Event


class Delta(NamedTuple):
    """What an event adds to counters: one of its type, and what was bought."""

    code: int
    bought: Mapping[str, int]


def delta_of(event: Event) -> Delta:
    return Delta(TYPE_CODE[event.event_type], user_bought(event))


def count(counted: Sequence[Counters], delta: Delta) -> None:
    for counters in counted:
        counters[delta.code] = counters.get(delta.code, 0) + 1
    count_bought(counted, delta.bought)


VIEW, PURCHASE = TYPE_CODE["item_view"], TYPE_CODE["purchase"]

deltas = st.builds(
    Delta,
    st.integers(0, 15),
    st.dictionaries(st.sampled_from(["EUR", "JPY"]), st.integers(-(10**15), 10**15)),
)
# (own time, arrival): late by up to ten days.
arrivals = st.tuples(st.integers(-10 * 86_400, 0), st.integers(0, 9 * 86_400)).map(
    lambda pair: (NOON_S + pair[0] + pair[1], NOON_S + pair[1])
)
streams = st.lists(st.tuples(arrivals, deltas), max_size=15)
Arrival = tuple[tuple[int, int], Delta]
ONE_VIEW = Delta(VIEW, {})


def counters_of(delta: Delta) -> Counters:
    """What one such event leaves in counters that were empty."""
    return {delta.code: 1, **delta.bought}


def after(events: list[Arrival]) -> Windowed:
    state = new_counters()
    for (at_s, arrived_s), delta in events:
        add_in_windows(state, counters_of(delta), window_numbers(at_s), arrived_s)
    return state


@given(streams.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_the_order_of_processing_changes_nothing(orders: tuple[list[Arrival], list[Arrival]]) -> None:
    one, other = after(orders[0]), after(orders[1])
    assert one == other


@given(streams)
def test_events_of_the_same_windows_may_be_counted_together(events: list[Arrival]) -> None:
    """Each of them is not after its arrival, as the journal has them."""
    events = [((min(at_s, arrived_s), arrived_s), delta) for (at_s, arrived_s), delta in events]
    alike: dict[Numbers, Counters] = {}
    for (at_s, _), delta in events:
        merge_counts(alike.setdefault(window_numbers(at_s), {}), counters_of(delta))
    together = new_counters()
    for numbers, amounts in alike.items():
        add_in_windows(together, amounts, numbers, max(arrived_s for (_, arrived_s), _ in events))
    assert together == after(events)


@given(st.lists(st.tuples(st.integers(-NOON_S, 2**38), st.integers(0, 2**33)), min_size=1))
def test_no_clock_makes_a_row_keep_more_windows_than_its_bound(times: list[tuple[int, int]]) -> None:
    """Whoever writes to the stream without the collector may say any time."""
    arrived_s = 0
    state = new_counters()
    for at_s, later_s in times:
        arrived_s = max(arrived_s, later_s)
        add_in_windows(state, {VIEW: 1}, window_numbers(at_s), arrived_s)
    for window, counted in zip(WINDOWS, state.windows, strict=True):
        assert len(counted) <= window.kept + 1
        assert max(counted, default=0) <= arrived_s // window.length_s
    assert state.lifetime == {VIEW: len(times)}


@given(streams)
def test_every_window_holds_what_brute_force_finds(events: list[Arrival]) -> None:
    state = after(events)
    latest_arrival_s = max((arrived_s for (_, arrived_s), _ in events), default=0)
    for window, counted in zip(WINDOWS, state.windows, strict=True):
        expected: dict[int, Counters] = {}
        for (at_s, _), delta in events:
            if at_s // window.length_s >= latest_arrival_s // window.length_s - window.kept:
                add_counts(expected.setdefault(at_s // window.length_s, {}), counters_of(delta))
        assert counted == expected


@given(streams)
def test_the_lifetime_counts_all_however_late(events: list[Arrival]) -> None:
    expected: Counters = {}
    for _, delta in events:
        add_counts(expected, counters_of(delta))
    assert after(events).lifetime == expected


def test_windows_cover_the_moment_they_are_numbered_by() -> None:
    assert [window.number(NOON_S) for window in WINDOWS] == list(window_numbers(NOON_S))
    assert [window.name for window in WINDOWS] == ["5m", "1h", "1d"]


@pytest.mark.parametrize("position", range(3), ids=[window.name for window in WINDOWS])
def test_a_window_is_kept_until_arrivals_are_its_kept_time_later(position: int) -> None:
    window = WINDOWS[position]
    start_s = NOON_S - NOON_S % 86_400
    state = after([((start_s, start_s), ONE_VIEW)])
    last_s = start_s + (window.kept + 1) * window.length_s - 1
    add_in_windows(state, {VIEW: 1}, window_numbers(last_s), last_s)
    assert window.number(start_s) in state.windows[position]
    add_in_windows(state, {VIEW: 1}, window_numbers(last_s + 1), last_s + 1)
    assert window.number(start_s) not in state.windows[position]


def test_an_event_of_a_forgotten_window_counts_in_the_lifetime_only() -> None:
    state = after([((NOON_S, NOON_S), ONE_VIEW), ((NOON_S - 30 * 86_400, NOON_S), ONE_VIEW)])
    assert state.lifetime == {VIEW: 2}
    assert [sum(counted[VIEW] for counted in window.values()) for window in state.windows] == [1, 1, 1]


DELTAS: dict[str, tuple[dict[str, Any], Counters, Counters]] = {
    # event, the user's share, the first item's share
    "a view": ({}, {VIEW: 1}, {VIEW: 1}),
    "a view with a price is no purchase": ({"value": 5}, {VIEW: 1}, {VIEW: 1}),
    "a view of an item with a price is none either": (
        {"items": [{"item_id": "a", "price": 2.5, "quantity": 3}], "currency": "EUR"},
        {VIEW: 1},
        {VIEW: 1},
    ),
    "a purchase of one": (
        {"event_type": "purchase", "items": [{"item_id": "a", "price": 2.5}], "currency": "EUR"},
        {PURCHASE: 1, "EUR": 2_500_000},
        {PURCHASE: 1, "EUR": 2_500_000},
    ),
    "quantity none at all": (
        {
            "event_type": "purchase",
            "items": [{"item_id": "a", "price": 2.5, "quantity": 0}],
            "currency": "EUR",
        },
        {PURCHASE: 1, "EUR": 0},
        {PURCHASE: 1, "EUR": 0},
    ),
    "the item's currency beats the event's": (
        {
            "event_type": "purchase",
            "items": [
                {"item_id": "a", "price": 1, "quantity": 3, "currency": "JPY"},
                {"item_id": "b", "price": 2},
            ],
            "currency": "EUR",
        },
        {PURCHASE: 1, "JPY": 3_000_000, "EUR": 2_000_000},
        {PURCHASE: 1, "JPY": 3_000_000},
    ),
    "the event's value beats the sum of items": (
        {"event_type": "purchase", "items": [{"item_id": "a", "price": 1}], "value": 9.99, "currency": "EUR"},
        {PURCHASE: 1, "EUR": 9_990_000},
        {PURCHASE: 1, "EUR": 1_000_000},
    ),
    "no currency": (
        {"event_type": "purchase", "items": [{"item_id": "a", "price": 1}]},
        {PURCHASE: 1, "XXX": 1_000_000},
        {PURCHASE: 1, "XXX": 1_000_000},
    ),
    "no price": ({"event_type": "purchase"}, {PURCHASE: 1}, {PURCHASE: 1}),
}


@pytest.mark.parametrize(("change", "user", "item"), DELTAS.values(), ids=DELTAS)
def test_an_event_adds_one_and_a_purchase_its_amount(
    change: dict[str, Any], user: Counters, item: Counters
) -> None:
    event = stream_event(**change)
    assert counters_of(delta_of(event)) == user
    bought = item_bought(event, event.items[0])
    assert counters_of(Delta(TYPE_CODE[event.event_type], bought)) == item


@given(stream_events(event_types=("purchase",)))
def test_without_a_value_a_purchase_is_worth_its_items(event: Event) -> None:
    if event.value is not None:
        return
    total: Counters = {}
    for item in event.items:
        add_counts(total, dict(item_bought(event, item)))
    assert user_bought(event) == total


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40).flatmap(st.permutations))
def test_sums_of_amounts_are_exact(cents: list[int]) -> None:
    total: Counters = {}
    for amount in cents:
        event = stream_event(event_type="purchase", value=amount / 100, currency="EUR")
        count([total], delta_of(event))
    assert Fraction(total["EUR"], MICROS) == Fraction(sum(cents), 100)


TOTALS = st.integers(-9, 9).map(lambda large: large * LARGE) | st.integers(-(10**20), 10**20)


@given(st.lists(st.integers(-LARGE, LARGE) | TOTALS, max_size=6), st.randoms())
def test_a_sum_of_any_size_is_exact_and_written_alike_in_every_order(
    amounts: list[int], random: Random
) -> None:
    into, other = Counters(), Counters()
    count([into], Delta(PURCHASE, {"EUR": 0}))
    count([other], Delta(PURCHASE, {"EUR": 0}))
    for amount in amounts:
        count([into], Delta(PURCHASE, {"IRR": amount}))
    random.shuffle(amounts)
    for amount in amounts:
        add_counts(other, counters_of(Delta(PURCHASE, {"IRR": amount})))
    assert sums(into) == {"EUR": 0} | ({"IRR": sum(amounts)} if amounts else {})
    assert into == other
    assert all(-LARGE < value < LARGE for value in into.values())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(into)) == into


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_that_is_large_to_the_millionth_is_counted_as_such(sign: int) -> None:
    into = Counters()
    for amount in (LARGE - 1, 1):
        count([into], Delta(PURCHASE, {"IRR": sign * amount}))
    assert into == {"IRR": 0, "IRRe12": sign, PURCHASE: 2}


def test_a_sum_written_before_large_ones_were_counted_by_themselves_is_added_to() -> None:
    into: Counters = {"IRR": 9 * LARGE + 7, PURCHASE: 1}
    assert sums(into) == {"IRR": 9 * LARGE + 7}
    count([into], Delta(PURCHASE, {"IRR": LARGE}))
    assert into == {"IRR": 7, "IRRe12": 10, PURCHASE: 2}


def test_a_key_of_another_length_is_a_currency_as_it_stands() -> None:
    assert sums({"E": 1, "EURO": 2, "EUR": 3, "EURe12": 1, PURCHASE: 4}) == {
        "E": 1,
        "EURO": 2,
        "EUR": 3 + LARGE,
    }


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (19.99, 19_990_000),
        (0.1 + 0.2, 300_000),
        (2.5e-6, 2),
        (1_590_000_000, 1_590_000_000 * MICROS),
        (999_999_999_999.99, 999_999_999_999_990_000),
        (-123_456_789_012.34, -123_456_789_012_340_000),
        (1e12, LARGE),
    ],
)
def test_an_amount_is_counted_as_it_was_written(amount: float, expected: int) -> None:
    assert millionths(amount) == expected


@given(st.integers(-(10**14), 10**14))
def test_cents_of_every_amount_that_is_accepted_are_exact(cents: int) -> None:
    assert millionths(float(f"{cents}e-2")) == cents * 10_000


def test_a_counter_of_every_currency_there_is_stays_small() -> None:
    into: Counters = {}
    for number in range(500):
        currency = f"{chr(65 + number // 26)}{chr(65 + number % 26)}X"
        count([into], Delta(PURCHASE, {currency: 7}))
    assert into[PURCHASE] == 500
    assert sum(amount for key, amount in into.items() if isinstance(key, str)) == 500 * 7
    assert len(into) == CURRENCIES_MAX + 2  # with XXX, and the event's type


def test_in_a_full_counter_a_known_currency_stays_itself_and_a_further_one_is_xxx() -> None:
    full = Delta(PURCHASE, {f"A{chr(65 + number)}A": 1 for number in range(CURRENCIES_MAX)})
    more = Delta(VIEW, {"ABA": 2, "NEW": 3})
    into = counters_of(full)
    add_counts(into, counters_of(more))
    assert into == {**counters_of(full), "ABA": 3, "XXX": 3, VIEW: 1}
    state = new_counters()
    add_in_windows(state, counters_of(full), window_numbers(NOON_S), NOON_S)
    add_in_windows(state, counters_of(more), window_numbers(NOON_S), NOON_S)
    assert state.lifetime == into
    assert all(list(window.values()) == [into] for window in state.windows)


@given(st.lists(deltas, max_size=3 * CURRENCIES_MAX), st.integers(0, CURRENCIES_MAX))
def test_what_is_counted_together_stays_in_step(said: list[Delta], other_currencies: int) -> None:
    """A session's or a window's counters hold no currency that the whole's do not."""
    whole: Counters = {f"A{chr(65 + number)}A": 1 for number in range(other_currencies)}
    share: Counters = {}
    for delta in said:
        count([whole, share], delta)
    assert share.keys() <= whole.keys()
    alone: Counters = {}
    for delta in said:
        count([alone], delta)
    assert {key: amount for key, amount in share.items() if isinstance(key, int)} == {
        key: amount for key, amount in alone.items() if isinstance(key, int)
    }
    assert sum(v for k, v in share.items() if isinstance(k, str)) == sum(
        v for k, v in alone.items() if isinstance(k, str)
    )
