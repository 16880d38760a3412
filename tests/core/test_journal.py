"""The journal: what is written is read, briefly, and names nobody."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_strategies import NOON_S, stream_events
from tapstack.core.attributes.catalogue import AllSaid, Said
from tapstack.core.attributes.prediction import ENTRY_BYTES_MAX as PREDICTED_BYTES_MAX
from tapstack.core.attributes.states import Moment
from tapstack.core.events import ITEMS_MAX, Event
from tapstack.core.fold import fold_event
from tapstack.core.journal import (
    ENTRY_BYTES_MAX,
    LANES_A_STRIPE,
    Effect,
    Watermark,
    decode_entry,
    decode_watermark,
    encode_entry,
    encode_watermark,
    entry_key,
    head_key,
    journal_partition,
    stripe_of,
)
from tapstack.core.rows import UserState
from tapstack.core.search_terms import Search
from tapstack.core.sessions import BOUGHT_MAX
from tapstack.errors import UndecodableRow


@given(st.lists(stream_events(), max_size=10), st.lists(st.integers(0, 90), min_size=10, max_size=10))
def test_an_entry_is_read_as_it_was_written(events: list[Event], later_s: list[int]) -> None:
    user = UserState()
    effects = [
        effect
        for event, seconds in zip(events, later_s, strict=False)
        for effect in fold_event(user, event, int(event.occurred_at.timestamp()), NOON_S + seconds)
    ]
    if not effects:
        return
    entry = decode_entry(7, encode_entry(effects))
    assert entry.number == 7
    assert entry.arrived_s == max(effect.arrived_s for effect in effects)
    assert [_plain(effect) for effect in entry.effects] == [_plain(effect) for effect in effects]


def _plain(effect: Effect) -> tuple[object, ...]:
    return (
        list(effect.item_ids), effect.code, effect.at_s, effect.arrived_s, dict(effect.bought),
        list(effect.viewed_with), list(effect.bought_with),
    )  # fmt: skip


AMOUNTS = st.dictionaries(st.sampled_from(["EUR", "XXX"]), st.integers(-(2**60), 2**60), max_size=2)
EFFECTS = st.builds(
    Effect,
    item_ids=st.lists(st.sampled_from("abc"), min_size=1, max_size=2),
    code=st.integers(0, 40),
    at_s=st.integers(NOON_S - 9, NOON_S - 5),
    arrived_s=st.integers(NOON_S - 5, NOON_S),
    bought=AMOUNTS,
    viewed_with=st.lists(st.sampled_from("de"), max_size=2),
    bought_with=st.lists(st.sampled_from("fg"), max_size=2),
    units=st.integers(0, 2),
    refunded=AMOUNTS,
    rating=st.none() | st.integers(-1, 1),
)
ONE = Effect(item_ids=["a"], code=1, at_s=NOON_S, arrived_s=NOON_S, viewed_with=[], bought_with=[])


@example([msgspec.structs.replace(ONE, bought={"EUR": 5})])
@example([msgspec.structs.replace(ONE, viewed_with=["b"])])
@example([msgspec.structs.replace(ONE, bought_with=["b"])])
@example([msgspec.structs.replace(ONE, units=1)])
@example([msgspec.structs.replace(ONE, refunded={"EUR": 5})])
@example([msgspec.structs.replace(ONE, rating=0)])
@given(st.lists(EFFECTS, min_size=1, max_size=4))
def test_whatever_an_effect_says_alone_or_with_others_is_read_again(effects: list[Effect]) -> None:
    assert decode_entry(1, encode_entry(effects)).effects == effects


def test_the_layout_of_an_entry_is_the_documented_one() -> None:
    # Other code may read an entry than wrote it: another order of fields needs a migration.
    plain = Effect(item_ids=["a"], code=1, at_s=NOON_S - 3, arrived_s=NOON_S - 1)
    whole = Effect(
        item_ids=["b"], code=10, at_s=NOON_S, arrived_s=NOON_S, bought={"EUR": 5}, bought_with=["a"]
    )
    assert msgspec.msgpack.decode(encode_entry([plain, whole])) == [
        NOON_S,
        [[["a"], 1, 2, 1], [["b"], 10, 0, 0, {"EUR": 5}, [], ["a"]]],
    ]


def test_a_usual_view_takes_few_bytes() -> None:
    effects = [
        Effect(item_ids=[f"sku-{number:05}"], code=1, at_s=NOON_S, arrived_s=NOON_S) for number in range(83)
    ]
    assert len(encode_entry(effects)) < 83 * 16


def test_the_longest_event_fits_an_entry() -> None:
    partners = [f"{number:064}" for number in range(BOUGHT_MAX)]
    effects = [
        Effect(
            item_ids=[f"{number:060}"], code=10, at_s=0, arrived_s=NOON_S, bought={"EUR": 2**60},
            bought_with=partners,
        )
        for number in range(ITEMS_MAX)
    ]  # fmt: skip
    moment = Moment((NOON_S - 30 * 86_400) * 1_000, NOON_S)
    said = [
        Said("v" * 79, effect.item_ids[0], moment, {0: "x" * (PREDICTED_BYTES_MAX - 18)})
        for effect in effects
    ]
    entry = encode_entry(effects, declared=AllSaid(["v" * 79], said))
    assert len(entry) < ENTRY_BYTES_MAX
    assert decode_entry(1, entry).declared == AllSaid(["v" * 79], said)


SAID = st.builds(
    lambda view, id_, before_s, age_ms: Said(
        view, id_, Moment((NOON_S - before_s) * 1_000 - age_ms, NOON_S - before_s), {0: 1.5, 2: "x"}
    ),
    st.sampled_from(["by_day", "by_week"]),
    st.sampled_from(["mug", "lamp"]),
    st.integers(0, 90),  # how long before the entry's newest record its own came
    st.integers(0, 10**7),
)


@given(st.lists(SAID, max_size=6))
def test_what_is_said_to_attributes_keeps_its_moment_whenever_the_others_of_its_entry_came(
    said: list[Said],
) -> None:
    declared = AllSaid(["by_day", "by_week"], said)
    assert decode_entry(1, encode_entry([], arrived_s=NOON_S, declared=declared)).declared == declared


@given(st.dictionaries(st.integers(0, 999), st.integers(0, 2**60), max_size=9), st.integers(0, 2**40))
def test_a_watermark_is_read_as_it_was_written(marks: dict[int, int], since_s: int) -> None:
    watermark = Watermark(marks, since_s)
    assert decode_watermark(encode_watermark(watermark)) == watermark


@given(st.integers(0, 998), st.integers(1, 10**18))
def test_keys_sort_as_their_numbers(lane: int, number: int) -> None:
    assert head_key(lane) < head_key(lane + 1)
    assert journal_partition(lane) < journal_partition(lane + 1)
    assert entry_key(lane, number) < entry_key(lane, number + 1)


def test_a_lane_belongs_to_its_stripe_for_ever() -> None:
    # An entry that was folded into one row half-way must not be folded into another one.
    assert LANES_A_STRIPE == 4
    assert [stripe_of(lane) for lane in range(9)] == [0, 0, 0, 0, 1, 1, 1, 1, 2]


@pytest.mark.parametrize(
    "state", [b"", b"\xc0", b"\x90", b'{"a":1}', msgspec.msgpack.encode([1, ["secret"]])]
)
def test_what_is_no_entry_is_refused_and_not_quoted(state: bytes) -> None:
    with pytest.raises(UndecodableRow) as caught:
        decode_entry(1, state)
    assert "secret" not in str(caught.value)
    assert caught.value.kind == "journal entry"


def test_searches_stand_in_no_order_that_tells_whose_they_are() -> None:
    later = Search(5, 3, NOON_S, NOON_S, "")
    earlier = Search(5, 3, NOON_S - 301, NOON_S - 1, "shoes")
    other = Search(-9, 1, NOON_S - 1, NOON_S, "")
    state = encode_entry([], [later, earlier, other])
    assert msgspec.msgpack.decode(state) == [NOON_S, [], [[-9, 1, 1], [5, 3, 0], [5, 3, 2, "shoes"]]]
    assert state == encode_entry([], [other, earlier, later])
    grain = NOON_S // 300 * 300
    assert decode_entry(1, state).searches == [
        Search(-9, 1, grain - 300, NOON_S, ""),
        Search(5, 3, grain, NOON_S, ""),
        Search(5, 3, grain - 600, NOON_S, "shoes"),
    ]


def test_an_entry_of_before_has_no_searches() -> None:
    assert decode_entry(1, msgspec.msgpack.encode([NOON_S, []])).searches == []
