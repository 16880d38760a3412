"""What events say of items: the newest counts, whatever the order, and little is kept of each."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from event_strategies import NOON_S, stream_event
from item_statements import statements
from tapstack.core.amounts import rating_of, refunded_of, units_of
from tapstack.core.item_facts import (
    BRAND_BYTES_MAX,
    CATEGORY_BYTES_MAX,
    NAME_BYTES_MAX,
    Facts,
    Statement,
    categories_of,
    newest,
    statements_of,
)
from tapstack.core.journal import Effect, decode_entry, encode_entry

FIELDS = ("category", "brand", "name", "price")
TIMES = st.integers(NOON_S - 5, NOON_S)
TEXTS = st.none() | st.tuples(TIMES, st.sampled_from(["a", "b", "\u00fc"]))
PRICES = st.none() | st.tuples(TIMES, st.integers(-5, 5), st.sampled_from(["EUR", "USD"]))
FACTS = st.builds(Facts, TEXTS, TEXTS, TEXTS, PRICES)


@given(st.lists(FACTS, max_size=6), st.randoms(use_true_random=False))
def test_facts_are_the_newest_in_any_order_and_twice(found: list[Facts], random: Random) -> None:
    known = newest(found)
    for field in FIELDS:
        said = [value for facts in found if (value := getattr(facts, field)) is not None]
        assert getattr(known, field) == max(said, default=None)
    cut = random.randrange(len(found) + 1)
    again = random.sample(found, len(found))
    assert newest([newest(again[:cut]), newest(again[cut:]), *again]) == known


@given(st.dictionaries(st.sampled_from("abc"), FACTS.filter(lambda facts: facts != Facts())))
def test_an_entry_holds_facts_and_categories_as_they_were_said(facts: dict[str, Facts]) -> None:
    effects = [
        Effect(item_ids=["a", "b"], code=3, at_s=NOON_S, arrived_s=NOON_S, categories=["", "b"]),
        Effect(item_ids=["a"], code=1, at_s=NOON_S, arrived_s=NOON_S),
        Effect(item_ids=["c"], code=1, at_s=NOON_S, arrived_s=NOON_S, categories=["hats"]),
    ]
    entry = decode_entry(1, encode_entry(effects, (), statements(facts)))
    assert entry.facts == facts
    assert [list(effect.categories) for effect in entry.effects] == [["", "b"], [], ["hats"]]


def test_what_all_events_of_an_entry_say_stands_there_once() -> None:
    effects = [Effect(item_ids=[f"sku-{n:05}"], code=1, at_s=NOON_S, arrived_s=NOON_S) for n in range(40)]
    said = [replace(effect, categories=["shoes"]) for effect in effects]
    facts = {
        effect.item_ids[0]: Facts((NOON_S, "shoes"), None, None, (NOON_S, 19_990_000, "EUR"))
        for effect in effects
    }
    assert len(encode_entry(said, (), statements(facts))) - len(encode_entry(effects)) < 40 * 26


def facts_of(statement: Statement, at_s: int) -> Facts:
    """What is known of an item of which only this was said, once it was in the journal."""
    effect = Effect(item_ids=[statement.item_id], code=1, at_s=at_s, arrived_s=at_s)
    return decode_entry(1, encode_entry([effect], (), {statement: at_s})).facts[statement.item_id]


def item(event_type: str = "item_view", currency: str | None = None, **said: Any) -> Facts | None:
    event = stream_event(event_type=event_type, items=[{"item_id": "a", **said}], currency=currency)
    return next((facts_of(said, NOON_S) for said in statements_of(event)), None)


@pytest.mark.parametrize(
    ("said", "field", "expected"),
    [
        pytest.param({"category": " shoes "}, "category", (NOON_S, "shoes"), id="white space around"),
        pytest.param({"category": "x" * 200}, "category", (NOON_S, "x" * CATEGORY_BYTES_MAX), id="long"),
        pytest.param(
            {"brand": "\u00fc" * 99}, "brand", (NOON_S, "\u00fc" * (BRAND_BYTES_MAX // 2)), id="letters"
        ),
        pytest.param(
            {"brand": "x" + "\u00fc" * 99}, "brand", (NOON_S, "x" + "\u00fc" * 31), id="cut in a letter"
        ),
        pytest.param(
            {"name": "x" * 126 + "  y"}, "name", (NOON_S, "x" * (NAME_BYTES_MAX - 2)), id="cut after a space"
        ),
        pytest.param({"price": 2.5}, "price", (NOON_S, 2_500_000, "XXX"), id="no currency"),
        pytest.param({"price": 2.5, "currency": "JPY"}, "price", (NOON_S, 2_500_000, "JPY"), id="the item's"),
    ],
)
def test_what_is_kept_of_what_an_event_says(said: dict[str, Any], field: str, expected: object) -> None:
    facts = item(**said)
    assert facts is not None
    assert getattr(facts, field) == expected


def test_the_currency_of_a_price_is_the_items_or_else_the_events() -> None:
    assert item(price=1, currency="EUR") == Facts(price=(NOON_S, 1_000_000, "EUR"))


def test_an_event_that_says_nothing_has_no_facts() -> None:
    assert item() is None
    assert item(category="  ") is None
    assert item(event_type="refund", price=5) is None  # the price of an earlier purchase


def test_an_item_of_which_nothing_is_said_leaves_the_others_what_they_say() -> None:
    event = stream_event(
        items=[{"item_id": "a"}, {"item_id": "b", "price": 2.5}, {"item_id": "c", "name": "hat"}]
    )
    assert [each.item_id for each in statements_of(event)] == ["b", "c"]


def test_a_category_is_the_same_text_for_counting() -> None:
    event = stream_event(items=[{"item_id": "a", "category": " hats"}, {"item_id": "b"}])
    assert list(categories_of(event.items)) == ["hats", ""]
    assert not categories_of(event.items[1:])
    blank = stream_event(items=[{"item_id": "a", "category": " "}])
    assert not categories_of(blank.items), "as if none were named"


@pytest.mark.parametrize(
    ("event", "units", "refunded", "rating"),
    [
        ({"event_type": "purchase", "items": [{"item_id": "a", "quantity": 3}]}, 3, {}, None),
        ({"event_type": "purchase", "items": [{"item_id": "a"}]}, 1, {}, None),
        ({"event_type": "refund", "items": [{"item_id": "a", "price": 2}]}, 1, {"XXX": 2_000_000}, None),
        (
            {"event_type": "refund", "items": [{"item_id": "a", "price": 1e12}]},
            1,
            {"XXX": 10**12 * 10**6},
            None,
        ),
        ({"event_type": "refund", "items": [{"item_id": "a", "price": 1e12, "quantity": 2}]}, 2, {}, None),
        ({"event_type": "rate", "value": 4.5, "items": [{"item_id": "a"}]}, 0, {}, 4_500_000),
        ({"event_type": "rate", "value": 101, "items": [{"item_id": "a"}]}, 0, {}, None),
        ({"event_type": "rate", "items": [{"item_id": "a", "quantity": 3}]}, 0, {}, None),
        ({"event_type": "cart_add", "value": 5, "items": [{"item_id": "a", "quantity": 3}]}, 0, {}, None),
    ],
)
def test_what_an_event_says_in_numbers(
    event: dict[str, Any], units: int, refunded: dict[str, int], rating: int | None
) -> None:
    read = stream_event(**event)
    line = read.items[0]
    assert (units_of(read, line), refunded_of(read, line), rating_of(read)) == (units, refunded, rating)
