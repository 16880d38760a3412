"""Pairs of items, and the bounded map that keeps the frequent ones."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.core.cooccurrence import (
    PARTNER_BYTES_MAX,
    PARTNERS_MAX,
    count_partner,
    purchase_partners,
    view_partners,
)
from tapstack.core.sessions import BOUGHT_MAX, VIEWED_MAX, Session

names = st.integers(0, 12).map(lambda i: f"i{min(i, 12 - i)}")  # some twice as likely as others


def session() -> Session:
    return Session(None, 0, 0, {})


@given(st.lists(names, max_size=120), st.integers(1, 8))
def test_the_summary_keeps_the_promises_of_space_saving(partners: list[str], places: int) -> None:
    summary: dict[str, int] = {}
    for partner in partners:
        count_partner(summary, partner, places)
    truth, error_max = Counter(partners), len(partners) / places
    assert len(summary) <= places
    assert sum(summary.values()) == len(partners)
    for name, count in summary.items():
        assert truth[name] <= count <= truth[name] + error_max
    assert {name for name, count in truth.items() if count > error_max} <= set(summary)


@given(st.lists(names, max_size=60))
def test_the_summary_is_exact_while_everybody_has_a_place(partners: list[str]) -> None:
    summary: dict[str, int] = {}
    for partner in partners:
        count_partner(summary, partner, 13)
    assert summary == Counter(partners)


def test_who_gives_way_does_not_depend_on_the_order_of_the_map() -> None:
    one, other = {"a": 1, "b": 1, "c": 2}, {"c": 2, "b": 1, "a": 1}
    for summary in (one, other):
        count_partner(summary, "new", 3)
    assert one == other == {"b": 1, "c": 2, "new": 2}


@given(st.lists(names, max_size=40))
def test_a_view_is_paired_with_the_two_distinct_items_before_it(views: list[str]) -> None:
    visit, before = session(), list[str]()
    for item_id in views:
        partners = view_partners(visit, item_id)
        if item_id in before[-VIEWED_MAX:]:
            assert partners == []
        else:
            assert partners == before[-VIEWED_MAX:][-PARTNERS_MAX:]
        before = [name for name in before if name != item_id] + [item_id]
        assert visit.viewed == before[-VIEWED_MAX:]


@given(st.lists(names, max_size=40))
def test_a_purchase_is_paired_with_what_was_bought_before_in_the_visit(bought: list[str]) -> None:
    visit = session()
    for item_id in bought:
        before = list(visit.bought)
        partners = purchase_partners(visit, item_id)
        assert partners == ([] if item_id in before else before)
        assert visit.bought == (before if item_id in before else [*before, item_id][-BOUGHT_MAX:])


@pytest.mark.parametrize("note", [view_partners, purchase_partners], ids=["viewed", "bought"])
@given(items=st.lists(names, max_size=30))
def test_no_item_is_its_own_partner(note: object, items: list[str]) -> None:
    visit = session()
    for item_id in items:
        partners = note(visit, item_id)  # type: ignore[operator]
        assert item_id not in partners
        assert len(set(partners)) == len(partners)


@pytest.mark.parametrize("note", [view_partners, purchase_partners], ids=["viewed", "bought"])
def test_an_item_of_a_long_id_makes_no_pairs_and_leaves_the_others_alone(note: object) -> None:
    for letter in "x\u00fc\U0001f600":
        visit, longest = session(), letter * (PARTNER_BYTES_MAX // len(letter.encode()))
        ids = ["a", longest + letter, longest, longest + letter]
        assert [note(visit, item_id) for item_id in ids] == [[], [], ["a"], []]  # type: ignore[operator]


def test_a_visit_of_distinct_items_pairs_each_with_its_neighbours() -> None:
    visit, pairs = session(), Counter[frozenset[str]]()
    views = [f"i{number}" for number in range(20)]
    for item_id in views:
        pairs.update(frozenset((item_id, partner)) for partner in view_partners(visit, item_id))
    near = [frozenset(pair) for pair in pairwise(views)]
    nearly = [frozenset(pair) for pair in zip(views, views[2:], strict=False)]
    assert pairs == Counter([*near, *nearly])
