"""What events say of lists, recommendations and the shop, and what is kept of it: plain sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S, stream_event
from tapstack.core.events import TYPE_CODE
from tapstack.core.impressions import (
    CLICKED,
    LISTS_MAX,
    OTHER_POSITION,
    SHOWN,
    Shown,
    ShownAt,
    count_showing,
    count_shown,
    positions_of,
)
from tapstack.core.journal import decode_entry, encode_entry
from tapstack.core.rows import SHOWING_ROWS

DAY_S = 86_400


def said(
    kind: str, *items: dict[str, Any], **event: Any
) -> set[tuple[str, str, tuple[tuple[int, int], ...]]]:
    named = [{"item_id": f"i{number}", **item} for number, item in enumerate(items)]
    shown: ShownAt = {}
    count_shown(shown, stream_event(event_type=kind, items=named, **event), NOON_S + 7, NOON_S)
    found = shown.values()
    assert {each.count for each in found} <= {1}
    assert {each.at_s for each in found} <= {NOON_S}, "a clock that is ahead counts at its arrival"
    names = {code: name for name, code in TYPE_CODE.items()}
    return {(each.placement, names[each.code], tuple(each.positions.items())) for each in found}


def place_of(shown: Shown) -> tuple[str, int, int]:
    return shown.placement, shown.code, shown.at_s


def test_events_at_one_place_are_added_up() -> None:
    shown: ShownAt = {}
    for position in (1, 2, 2):
        event = stream_event(
            event_type="item_click", items=[{"item_id": "a", "list_id": "x", "position": position}]
        )
        count_shown(shown, event, NOON_S, NOON_S)
    assert [(each.count, each.positions) for each in shown.values()] == [(3, {1: 1, 2: 2})]


HOME = {"list_id": "home"}
CASES: dict[str, tuple[Callable[[], Any], Any]] = {
    "a list shows its items where they stand": (
        lambda: said("item_list_view", HOME, HOME),
        {("L#home", "item_list_view", ((1, 1), (2, 1)))},
    ),
    "or where it says": (
        lambda: said("item_list_view", HOME | {"position": 0}, HOME | {"position": 41}),
        {("L#home", "item_list_view", ((0, 1), (41, 1)))},
    ),
    "beyond the hundredth is elsewhere": (
        lambda: said(
            "item_list_view", HOME | {"position": 99}, HOME | {"position": 100}, HOME | {"position": -1}
        ),
        {("L#home", "item_list_view", ((99, 1), (100, 2)))},
    ),
    "a click that names no position is elsewhere": (
        lambda: said("item_click", HOME),
        {("L#home", "item_click", ((OTHER_POSITION, 1),))},
    ),
    "two lists are two places": (
        lambda: said("item_click", HOME | {"position": 3}, {"list_id": "search", "position": 3}),
        {("L#home", "item_click", ((3, 1),)), ("L#search", "item_click", ((3, 1),))},
    ),
    "a view in a list is no click": (lambda: said("item_view", HOME), {("", "item_view", ())}),
    "a recommendation that is shown": (
        lambda: said("item_list_view", {}, {}, recommendation_id="r"),
        {("R#r", "item_list_view", ((1, 1), (2, 1)))},
    ),
    "a recommendation that says where": (
        lambda: said("item_list_view", {"position": 0}, {"position": 100}, recommendation_id="r"),
        {("R#r", "item_list_view", ((0, 1), (OTHER_POSITION, 1)))},
    ),
    "a recommendation that is shown, and named beside": (
        lambda: said("item_list_view", {}, recommendation_id="r", impressions=["i0", "x"]),
        {("R#r", "item_list_view", ((1, 1),))},
    ),
    "a click on what was shown beside it": (
        lambda: said("item_click", {}, recommendation_id="r", impressions=["x", "i0", "y"]),
        {("R#r", "item_list_view", ((1, 1), (2, 1), (3, 1))), ("R#r", "item_click", ((2, 1),))},
    ),
    "a purchase by a recommendation": (
        lambda: said("purchase", {}, recommendation_id="r"),
        {("R#r", "purchase", ()), ("", "purchase", ())},
    ),
    "a step on the way to a purchase": (lambda: said("checkout_start"), {("", "checkout_start", ())}),
    "nothing of the kind": (lambda: said("page_view"), set()),
}


@pytest.mark.parametrize(("found", "expected"), CASES.values(), ids=CASES)
def test_an_event_says_what_was_shown_and_what_came_of_it(found: Callable[[], Any], expected: Any) -> None:
    assert found() == expected


def test_an_event_names_so_many_lists() -> None:
    found = said("item_list_view", *[{"list_id": f"l{number}"} for number in range(40)])
    assert {place for place, _, _ in found} == {f"L#l{number}" for number in range(LISTS_MAX)}


SHOWINGS = st.lists(
    st.builds(
        Shown,
        st.sampled_from(["", "L#home", "R#r"]),
        st.sampled_from([SHOWN, CLICKED, TYPE_CODE["purchase"]]),
        st.integers(-12 * 288, 0).map(lambda grains: NOON_S + 300 * grains),
        st.integers(1, 3),
        st.dictionaries(st.integers(0, 100), st.integers(1, 5), max_size=4),
    ),
    max_size=12,
)


@given(
    SHOWINGS.map(lambda shown: list({place_of(each): each for each in shown}.values())), st.integers(0, 299)
)
def test_an_entry_holds_what_was_shown(shown: list[Shown], late_s: int) -> None:
    state = encode_entry([], (), {}, shown, NOON_S + late_s)
    by_place = sorted(shown, key=place_of)
    assert list(decode_entry(1, state).shown) == by_place
    assert state == encode_entry([], (), {}, shown[::-1], NOON_S + late_s), "in no order that says anything"


@given(SHOWINGS, st.integers(0, 7))
def test_positions_are_sums_of_the_days_that_are_kept(shown: list[Shown], days: int) -> None:
    every = [Shown("L#home", each.code, each.at_s, each.count, each.positions) for each in shown]
    rows = [SHOWING_ROWS.new(), SHOWING_ROWS.new()]
    for number, each in enumerate(every):
        count_showing(rows[number % 2], each, NOON_S)
    first = NOON_S // DAY_S - days
    wanted: Counter[tuple[int, bool]] = Counter()
    for each in every:
        if each.at_s // DAY_S >= first:
            wanted.update({(place, each.code == CLICKED): n for place, n in each.positions.items()})
    found = positions_of(rows, first)
    assert {place: (wanted[place, False], wanted[place, True]) for place, _ in wanted} == found
    assert sum(row.counters.lifetime.get(SHOWN, 0) for row in rows) == sum(
        each.count for each in every if each.code == SHOWN
    )


def test_a_recommendation_keeps_its_positions_whatever_day_it_is() -> None:
    state = SHOWING_ROWS.new()
    for day in range(30):
        at_s = NOON_S + day * DAY_S
        count_showing(state, Shown("R#r", CLICKED, at_s, 1, {3: 1}), at_s)
    assert state.positions == {0: {3: (0, 30)}}
