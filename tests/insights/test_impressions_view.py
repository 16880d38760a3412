"""Lists, recommendations and conversion: what rows of all stripes hold, in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import Rows, get

from event_strategies import NOON_S
from tapstack.core.events import TYPE_CODE
from tapstack.core.impressions import (
    SHOP,
    Shown,
    count_showing,
    list_placement,
    recommendation_placement,
)
from tapstack.core.rows import SHOWING_ROWS, showings_partition, stripe_sort_key
from tapstack.http import NotFound

CODES = {name: TYPE_CODE[name] for name in ("item_view", "cart_add", "checkout_start", "purchase")}
DONE = st.lists(st.tuples(st.sampled_from(list(CODES)), st.integers(0, 9 * 288)), max_size=30)
SPANS = {"5m": (300, 1), "1h": (300, 12), "24h": (3_600, 24), "7d": (86_400, 7)}


def put(rows: Rows, placement: str, *found: Shown, stripe: int = 0) -> None:
    state = SHOWING_ROWS.new()
    for shown in found:
        count_showing(state, shown, NOON_S)
    rows.put(showings_partition(placement), stripe_sort_key(stripe), state)


@given(DONE, DONE, st.sampled_from(list(SPANS)))
def test_conversion_counts_what_happened_in_the_window(
    first: list[tuple[str, int]], second: list[tuple[str, int]], window: str
) -> None:
    rows = Rows()
    for stripe, done in enumerate((first, second)):
        shown = [Shown(SHOP, CODES[kind], NOON_S - 300 * grains, 1) for kind, grains in done]
        put(rows, SHOP, *shown, stripe=stripe)
    answer = get(rows, "/v1/conversion", window=window)
    length_s, hops = SPANS[window]
    oldest_s = (NOON_S // length_s - hops) * length_s
    for kind, step in zip(CODES, answer["steps"], strict=True):
        counted = [1 for name, back in [*first, *second] if name == kind and NOON_S - 300 * back >= oldest_s]
        assert (step["event_type"], step["events"]) == (kind, len(counted))
    events = [step["events"] for step in answer["steps"]]
    for before, step in zip([0, *events], answer["steps"], strict=False):
        assert step["of_previous"] == (round(step["events"] / before, 6) if before else None)
        assert step["of_views"] == (round(step["events"] / events[0], 6) if events[0] else None)


def test_a_list_is_answered_by_position_for_the_days_that_are_asked_for() -> None:
    rows = Rows()
    shown, clicked = TYPE_CODE["item_list_view"], TYPE_CODE["item_click"]
    placement = list_placement("home")
    put(
        rows,
        placement,
        Shown(placement, shown, NOON_S, 2, {1: 2, 2: 2}),
        Shown(placement, clicked, NOON_S, 1, {2: 1}),
    )
    old = Shown(placement, shown, NOON_S - 3 * 86_400, 1, {1: 1})
    put(rows, placement, old, Shown(placement, clicked, NOON_S, 1, {100: 1}), stripe=1)
    answer = get(rows, "/v1/lists/home/impressions", days="2")
    assert (answer["from"], answer["to"]) == ("2026-03-08T00:00:00Z", "2026-03-11T00:00:00Z")
    assert (answer["impressions"], answer["clicks"], answer["click_rate"]) == (4, 2, 0.5)
    assert [(each["position"], each["impressions"], each["clicks"]) for each in answer["positions"]] == [
        (1, 2, 0), (2, 2, 1), (None, 0, 1),
    ]  # fmt: skip
    assert [each["click_rate"] for each in answer["positions"]] == [0, 0.5, None]
    assert get(rows, "/v1/lists/home/impressions")["impressions"] == 5


def test_a_recommendation_tells_what_came_of_it() -> None:
    rows, placement = Rows(), recommendation_placement("r")
    shown = Shown(placement, TYPE_CODE["item_list_view"], NOON_S - 20 * 86_400, 1, {1: 1, 2: 1})
    clicked = Shown(placement, TYPE_CODE["item_click"], NOON_S, 1, {2: 1})
    put(rows, placement, shown, clicked, Shown(placement, TYPE_CODE["purchase"], NOON_S, 1))
    answer = get(rows, "/v1/recommendations/r")
    assert answer["counts"] == {"item_list_view": 1, "item_click": 1, "purchase": 1}
    assert (answer["impressions"], answer["clicks"], answer["click_rate"]) == (2, 1, 0.5)
    assert [(each["position"], each["clicks"]) for each in answer["positions"]] == [(1, 0), (2, 1)]


@pytest.mark.parametrize("path", ["/v1/lists/home/impressions", "/v1/recommendations/r"])
def test_what_was_never_shown_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        get(Rows(), path)
