"""Categories: lists of windows that slide, one category in its parts, and what of it may be missing."""

from __future__ import annotations

import pytest
from insights_world import NOON_S, PURCHASE, VIEW, Rows, get

from tapstack.core.aggregates import WINDOWS
from tapstack.core.categories import CATEGORIES_MAX, Categories, Category
from tapstack.core.journal import head_key
from tapstack.core.rows import categories_partition, stripe_sort_key

MINUTES = WINDOWS[0]
NOW = MINUTES.number(NOON_S)


def table(*rows: tuple[int, int, Categories]) -> Rows:
    """Put rows of sub-windows of 5 minutes: how many ago, the stripe, the categories."""
    found = Rows()
    for ago, stripe, state in rows:
        found.put_state(*head_key(4 * stripe), b"")
        found.put(categories_partition(MINUTES, NOW - ago), stripe_sort_key(stripe), state)
    return found


SHOES = Categories({VIEW: 3}, {"shoes": Category({VIEW: 3})})
MIXED = Categories(
    {VIEW: 1, PURCHASE: 2, "EUR": 5_000_000},
    {"shoes": Category({PURCHASE: 1, "EUR": 5_000_000}), "hats": Category({VIEW: 1, PURCHASE: 1})},
)


def test_stripes_and_sub_windows_are_added_up() -> None:
    answer = get(table((0, 0, SHOES), (0, 1, MIXED), (12, 0, SHOES), (13, 0, MIXED)), "/v1/categories")
    assert (answer["from"], answer["to"]) == ("2026-03-10T11:00:00Z", "2026-03-10T12:05:00Z")
    assert answer["events"] == 9
    assert answer["categories"] == [
        {
            "category": "shoes",
            "score": 16,
            "events": 7,
            "counts": {"item_view": 6, "purchase": 1},
            "value": {"EUR": 5.0},
            "value_incomplete": False,
        },
        {
            "category": "hats",
            "score": 11,
            "events": 2,
            "counts": {"item_view": 1, "purchase": 1},
            "value": {},
            "value_incomplete": False,
        },
    ]
    assert answer["count_error_max"] == 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"window": "5m"}, [("shoes", 13), ("hats", 11)]),
        ({"type": "purchase"}, [("hats", 1), ("shoes", 1)]),
        ({"type": "share"}, []),
        ({"n": "1"}, [("shoes", 13)]),
    ],
)
def test_what_is_listed(query: dict[str, str], expected: list[tuple[str, int]]) -> None:
    answer = get(table((0, 0, SHOES), (0, 1, MIXED)), "/v1/categories", **query)
    assert [(each["category"], each["score"]) for each in answer["categories"]] == expected


def test_a_category_is_told_in_parts_newest_first() -> None:
    rows = table((0, 1, MIXED), (3, 0, SHOES), (3, 1, SHOES), (40, 0, SHOES))
    answer = get(rows, "/v1/categories/shoes")
    assert answer["windows"] == [
        {"start": "2026-03-10T12:00:00Z", "events": 1, "counts": {"purchase": 1}, "value": {"EUR": 5.0}},
        {"start": "2026-03-10T11:45:00Z", "events": 6, "counts": {"item_view": 6}, "value": {}},
    ]
    assert (answer["events"], answer["value"]) == (7, {"EUR": 5.0})


def test_a_category_is_found_by_the_name_that_is_kept() -> None:
    long = "x" * 96
    rows = table((0, 0, Categories({VIEW: 1}, {long: Category({VIEW: 1})})))
    assert get(rows, f"/v1/categories/ {long}yyy")["events"] == 1


def test_of_a_category_that_nobody_named_nothing_was_counted() -> None:
    answer = get(table((0, 0, SHOES)), "/v1/categories/boats")
    assert (answer["events"], answer["windows"], answer["count_error_max"]) == (0, [], 0)


def test_a_full_row_says_what_it_may_miss() -> None:
    full = {f"c{n:03}": Category({VIEW: 4}, missed_max=n % 4) for n in range(CATEGORIES_MAX)}
    rows = table((0, 0, Categories({VIEW: 999}, full)), (1, 0, SHOES))
    assert get(rows, "/v1/categories")["count_error_max"] == 4
    assert get(rows, "/v1/categories/c003")["count_error_max"] == 3
    assert get(rows, "/v1/categories/boats")["count_error_max"] == 4
