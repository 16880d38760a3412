"""Items: however many effects are folded at a time, a row holds the same: the sum of what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S
from tapstack.core.aggregates import WINDOWS
from tapstack.core.events import TYPE_CODE
from tapstack.core.item_facts import Facts
from tapstack.core.journal import Effect, Entry
from tapstack.core.rows import ITEM_ROWS, ITEM_ROWS_IN_PARTS, ItemState, encode_derived
from tapstack.projections.items import Items

ITEM_IDS = st.sampled_from("aab")
CODES = {name: TYPE_CODE[name] for name in ("item_view", "item_list_view", "cart_add")}
ARRIVALS = st.sampled_from([0, 0, 0, 0, 1, 300, 90_000, 8 * 86_400])  # seconds after noon
AGES_S = st.sampled_from([0, 0, 0, 0, 299, 3_601, 86_400, 2 * 86_400])
CURRENCIES = st.dictionaries(st.sampled_from(["EUR", "JPY"]), st.integers(1, 10**9), min_size=1)


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    arrived_s = NOON_S + draw(ARRIVALS)
    when = {"arrived_s": arrived_s, "at_s": arrived_s - draw(AGES_S)}
    kind = draw(st.sampled_from(["lists", "pairs", "purchase", "purchase", "refund", "rate"]))
    if kind == "lists":  # which may name an item twice
        code = draw(st.sampled_from(sorted(CODES.values())))
        return Effect(item_ids=draw(st.lists(ITEM_IDS, min_size=1, max_size=4)), code=code, **when)
    item_ids = [draw(ITEM_IDS)]
    if kind == "pairs":
        others = st.lists(st.sampled_from("xyz"), max_size=2, unique=True)
        viewed, bought = draw(others), draw(others)
        return Effect(item_ids=item_ids, code=1, viewed_with=viewed, bought_with=bought, **when)
    code, units = TYPE_CODE[kind], draw(st.integers(0, 3))
    if kind == "purchase":
        return Effect(
            item_ids=item_ids, code=code, bought=draw(CURRENCIES | st.just({})), units=units, **when
        )
    if kind == "refund":
        return Effect(item_ids=item_ids, code=code, refunded=draw(CURRENCIES), units=units, **when)
    return Effect(item_ids=item_ids, code=code, rating=draw(st.integers(0, 10**6)), **when)


EFFECTS = st.lists(effects(), min_size=4, max_size=12)


def entry(*some: Effect, facts: dict[str, Facts] | None = None) -> Entry:
    return Entry(1, max(effect.arrived_s for effect in some), some, facts=facts or {})


def rows(*folds: list[Entry]) -> dict[str, ItemState]:
    """The rows after some folds, as readers read them."""
    states: dict[str, bytes] = {}
    for entries in folds:
        for partition, change in Items().changes(entries).items():
            known = states.get(partition)
            body = ITEM_ROWS_IN_PARTS.new() if known is None else ITEM_ROWS_IN_PARTS.body(known)
            Items().fold(body, change, {})
            states[partition] = encode_derived({}, body)
    return {partition: ITEM_ROWS.body(state) for partition, state in states.items()}


@given(EFFECTS)
def test_effects_that_are_folded_together_make_the_rows_of_each_by_itself(found: list[Effect]) -> None:
    one_by_one = rows(*[[entry(effect)] for effect in found])
    assert rows([entry(*found)]) == one_by_one
    assert rows([entry(effect) for effect in found]) == one_by_one


def pairs_of(found: Sequence[Effect], item_id: str, kind: str) -> Counter[str]:
    """Both ends of a pair count it."""
    ends = [(own, other) for each in found for own in each.item_ids for other in getattr(each, kind)]
    return Counter([b for a, b in ends if a == item_id] + [a for a, b in ends if b == item_id])


def sum_of(own: Sequence[Effect], item_id: str) -> Counter[int | str]:
    """How often effects of an item name it, by type, and what was bought of it."""
    total: Counter[int | str] = Counter()
    for effect in own:
        total[effect.code] += effect.item_ids.count(item_id)
        total.update(effect.bought)
    return total


@given(EFFECTS)
def test_a_row_is_the_sum_of_what_effects_say_of_its_item(found: list[Effect]) -> None:
    held = rows([entry(*found)])
    for item_id in "abxyz":
        own = [effect for effect in found if item_id in effect.item_ids]
        row = held.pop(f"I#{item_id}", None) or ITEM_ROWS.new()
        newest_s = max((effect.arrived_s for effect in own), default=0)
        assert row.counters.arrived_s == newest_s
        assert row.counters.lifetime == sum_of(own, item_id)
        for window, counted in zip(WINDOWS, row.counters.windows, strict=True):
            numbers = {window.number(effect.at_s) for effect in own}
            assert counted == {
                number: sum_of([each for each in own if window.number(each.at_s) == number], item_id)
                for number in numbers
                if number >= window.number(newest_s) - window.kept
            }
        assert row.viewed_with == pairs_of(found, item_id, "viewed_with")
        assert row.bought_with == pairs_of(found, item_id, "bought_with")
    assert not held


def test_what_a_change_does_not_touch_stays_as_it_is_stored() -> None:
    view = Effect(item_ids=["a"], code=CODES["item_view"], at_s=NOON_S, arrived_s=NOON_S)
    shown = msgspec.structs.replace(view, code=CODES["item_list_view"])
    paired = msgspec.structs.replace(view, viewed_with=["x"], bought_with=["y"])
    rated = msgspec.structs.replace(view, code=TYPE_CODE["rate"], rating=5)
    facts = {"a": Facts(category=(NOON_S, "shoes"))}
    before = rows([entry(paired, rated, facts=facts)])["I#a"]
    after = rows([entry(paired, rated, facts=facts)], [entry(shown)])["I#a"]
    assert after.counters.lifetime == {**before.counters.lifetime, shown.code: 1}
    assert msgspec.structs.replace(after, counters=before.counters) == before
    assert (before.viewed_with, before.bought_with) == ({"x": 1}, {"y": 1})
    assert before.facts == facts["a"]
    assert before.amounts is not None
