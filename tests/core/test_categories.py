"""Categories in a bounded row: never too high, too low by no more than is said, and the total exact."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tapstack.core import categories as module
from tapstack.core.aggregates import Counters
from tapstack.core.categories import CATEGORIES_MAX, Category, add_up, count_categories, events_of
from tapstack.core.rows import CATEGORY_ROWS, encode_derived


@pytest.mark.parametrize("seed", range(40))
def test_a_full_row_says_how_much_it_may_miss(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(seed)
    places = rng.randrange(1, 9)
    monkeypatch.setattr(module, "CATEGORIES_MAX", places)
    state, truth, bought = CATEGORY_ROWS.new(), Counter[tuple[str, int]](), Counter[str]()
    for _ in range(rng.randrange(1, 12)):
        counted = []
        for _ in range(rng.randrange(40)):
            name, code = f"c{int(rng.expovariate(0.2))}", rng.randrange(3)
            added: Counters = {code: 1, "EUR": 5} if code else {code: 1}
            counted.append((name, added))
            truth[name, code] += 1
            bought[name] += 5 if code else 0
        count_categories(state, counted)
        state = CATEGORY_ROWS.body(encode_derived({}, state))
        assert len(state.by_name) <= places
        for name in {name for name, _ in truth}:
            events = sum(count for (each, _), count in truth.items() if each == name)
            category = state.by_name.get(name)
            if category is None:
                assert events <= state.missed_max
                continue
            assert all(category.counters.get(code, 0) <= truth[name, code] for code in range(3))
            assert category.counters.get("EUR", 0) <= bought[name]
            assert events - events_of(category.counters) <= category.missed_max <= state.missed_max
        assert events_of(state.total) == truth.total()
        assert state.total.get("EUR", 0) == bought.total()


def test_while_there_is_room_all_is_exact() -> None:
    state = CATEGORY_ROWS.new()
    count_categories(state, [(f"c{n}", {1: 1}) for n in range(CATEGORIES_MAX)] * 2)
    assert state.missed_max == 2  # of one that is not known
    assert state.by_name == {f"c{n}": Category({1: 2}) for n in range(CATEGORIES_MAX)}


def test_made_up_categories_drive_out_rare_ones_alone() -> None:
    state = CATEGORY_ROWS.new()
    count_categories(state, [("shoes", {1: 1})] * 50)
    for start in range(0, 4_000, 100):
        count_categories(state, [(f"made up {n}", {1: 1}) for n in range(start, start + 100)])
    assert state.by_name["shoes"] == Category({1: 50})


def test_stripes_are_added_up() -> None:
    one = {"a": Category({1: 2, "EUR": 5}), "b": Category({2: 1})}
    other = {"a": Category({1: 1, 10: 1, "EUR": 7})}
    assert add_up([one, other]) == {"a": {1: 3, 10: 1, "EUR": 12}, "b": {2: 1}}
