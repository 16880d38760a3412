"""What an event does to its user, and what it adds to items: conservation, and the profile."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, OBJECTS, rfc3339, stream_event, stream_events
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.attributes.reading import read_definitions
from tapstack.core.attributes.states import Moment
from tapstack.core.cooccurrence import PARTNERS_MAX
from tapstack.core.events import ITEMS_MAX, TYPE_CODE, Event
from tapstack.core.fold import fold_event, moment_of
from tapstack.core.history import RECENT_MAX
from tapstack.core.journal import Effect, Entry
from tapstack.core.rows import (
    ALIASES_MAX,
    ITEM_ROWS,
    ITEM_ROWS_IN_PARTS,
    ItemState,
    UserState,
    decode_user,
    encode_derived,
    encode_user,
)
from tapstack.core.sessions import BOUGHT_MAX
from tapstack.core.traits import TRAIT_CHARS_MAX, TRAITS_MAX
from tapstack.projections.items import Items


def seconds(event: Event) -> int:
    return int(event.occurred_at.timestamp())


def milliseconds(event: Event) -> int:
    return seconds(event) * 1000 + event.occurred_at.microsecond // 1000


def fold(user: UserState, event: Event) -> list[Effect]:
    return fold_event(user, event, seconds(event), NOON_S)


def folded(events: list[Event]) -> tuple[UserState, list[Effect]]:
    user = UserState()
    return user, [effect for event in events for effect in fold(user, event)]


def many_items(count: int, event_type: str = "item_view", **changes: Any) -> Event:
    items = [{"item_id": f"i{number:03}", "price": 1} for number in range(count)]
    return stream_event(event_type=event_type, items=items, **changes)


@given(st.lists(stream_events(), max_size=12))
def test_every_mention_of_an_item_is_counted_once(events: list[Event]) -> None:
    user, effects = folded(events)
    mentioned = Counter(
        (item.item_id, TYPE_CODE[event.event_type]) for event in events for item in event.items
    )
    counted: Counter[tuple[str, Any]] = Counter()
    for effect in effects:
        for item_id in effect.item_ids:
            counted[item_id, effect.code] += 1
    assert counted == mentioned
    assert sum(n for key, n in user.counters.items() if isinstance(key, int)) == len(events)


@given(stream_events())
def test_an_effect_says_what_happened_and_when(event: Event) -> None:
    for effect in fold(UserState(), event):
        assert (effect.at_s, effect.arrived_s) == (min(seconds(event), NOON_S), NOON_S)
        assert effect.code == TYPE_CODE[event.event_type]
        assert len(effect.item_ids) == 1 or not (effect.viewed_with or effect.bought_with or effect.bought)


def test_an_effect_says_what_was_bought_of_its_item_and_with_what() -> None:
    items = [{"item_id": "a", "price": 2, "quantity": 3, "currency": "EUR"}, {"item_id": "b", "price": 1}]
    user = UserState()
    mug, lamp = fold(user, stream_event(event_type="purchase", items=items))
    assert (mug.bought, mug.units, mug.bought_with) == ({"EUR": 6_000_000}, 3, [])
    assert (lamp.bought, lamp.units, lamp.bought_with) == ({"XXX": 1_000_000}, 1, ["a"])
    assert user.pairs_count == 2  # the one pair, at both ends


@given(st.lists(stream_events(), max_size=12))
def test_pairs_are_counted_at_both_ends_and_in_the_users_row(events: list[Event]) -> None:
    user, effects = folded(events)
    pairs = sum(len(effect.viewed_with) + len(effect.bought_with) for effect in effects)
    assert user.pairs_count == 2 * pairs
    items: dict[str, ItemState] = {}
    for partition, change in Items().changes([Entry(1, NOON_S, effects)]).items():
        parts = ITEM_ROWS_IN_PARTS.new()
        Items().fold(parts, change, {})
        items[partition] = ITEM_ROWS.body(encode_derived({}, parts))
    in_maps = sum(sum(item.viewed_with.values()) + sum(item.bought_with.values()) for item in items.values())
    assert in_maps == user.pairs_count


@given(st.lists(stream_events(), max_size=12), st.randoms(use_true_random=False))
def test_counters_profile_and_recent_items_do_not_depend_on_the_order(
    events: list[Event], random: Any
) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    one, other = folded(events)[0], folded(shuffled)[0]
    assert one.counters == other.counters
    assert one.recent == other.recent
    assert (one.profile.first_seen_s, one.profile.last_seen_s) == (
        other.profile.first_seen_s,
        other.profile.last_seen_s,
    )


@given(st.lists(stream_events(), max_size=40))
def test_recent_items_are_the_newest_and_lists_shown_are_not_among_them(events: list[Event]) -> None:
    user, _ = folded(events)
    touched = sorted(
        (
            (-milliseconds(event), -TYPE_CODE[event.event_type], item.item_id)
            for event in events
            if event.event_type != "item_list_view"
            for item in event.items
        ),
    )
    found = [(-e.at_s * 1000 - e.ms, -e.type_code, e.item_id) for e in user.recent]
    assert found == touched[:RECENT_MAX]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=20))
def test_what_leaves_the_newest_waits_for_a_page(sizes: list[int]) -> None:
    user, _ = folded([many_items(size, event_id=f"e-{n}") for n, size in enumerate(sizes)])
    waiting = 0 if user.history is None else user.history.waiting_count
    assert (len(user.recent), waiting) == (min(sum(sizes), RECENT_MAX), max(0, sum(sizes) - RECENT_MAX))


def test_an_event_is_of_the_session_that_it_names() -> None:
    names = ["s", "t", "s", "u"]
    user, _ = folded([stream_event(event_id=f"e-{n}", session_id=name) for n, name in enumerate(names)])
    counted = {each.label: each.counters for each in user.sessions.newest}
    assert counted == {name: {TYPE_CODE["item_view"]: names.count(name)} for name in set(names)}


LAMP = {"item_id": "lamp", "category": "light", "price": 2.5, "quantity": 3, "currency": "EUR"}
SAID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "item_view": ({}, {}),
    "item_list_view": ({}, {}),
    "purchase": ({}, {"bought": {"EUR": 7_500_000}, "units": 3}),
    "refund": ({}, {"refunded": {"EUR": 7_500_000}, "units": 3}),
    "rate": ({"value": 4.5}, {"rating": 4_500_000}),
}


@pytest.mark.parametrize(("event_type", "change", "amounts"), [(name, *each) for name, each in SAID.items()])
def test_an_effect_says_category_and_amounts_of_its_item(
    event_type: str, change: dict[str, Any], amounts: dict[str, Any]
) -> None:
    [effect] = fold(UserState(), stream_event(event_type=event_type, items=[LAMP], **change))
    assert tuple(effect.categories) == ("light",)
    said = {name: getattr(effect, name) for name in ("bought", "units", "refunded", "rating")}
    assert said == {"bought": {}, "units": 0, "refunded": {}, "rating": None} | amounts


@pytest.mark.parametrize("event_type", ["item_view", "item_list_view", "purchase"])
def test_items_of_which_no_category_is_said_are_in_none(event_type: str) -> None:
    items = [{"item_id": "lamp"}, {"item_id": "mug", "category": " "}]
    effects = fold(UserState(), stream_event(event_type=event_type, items=items))
    assert [list(effect.categories) for effect in effects] == [[]] * len(effects)


# What is 256 bytes of UTF-8 or one more, in at most 256 characters.
LISTED = {
    "a" * 256: True,
    "\u00fc" * 128: True,
    "\u00fc" * 128 + "a": False,
    "\U0001f600" * 64: True,
    "\U0001f600" * 65: False,
}


@pytest.mark.parametrize(("name", "is_listed"), LISTED.items())
def test_a_row_lists_ids_of_256_bytes_and_counts_the_others(name: str, is_listed: bool) -> None:
    event = stream_event(user_id="u", anonymous_id=name, items=[{"item_id": name}])
    user, [effect] = folded([event])
    assert [each.item_id for each in user.recent] == user.profile.aliases == [name] * is_listed
    assert list(effect.item_ids) == [name]


@pytest.mark.parametrize("entity", ["user", "session"])
@pytest.mark.parametrize("was_declared", [True, False])
def test_attributes_that_are_declared_later_than_a_row_or_session_began_say_since_when(
    entity: str, was_declared: bool
) -> None:
    declared = Declared(
        read_definitions(
            f'version = 1\n[[feature_view]]\nname = "view"\nentity = "{entity}"\n'
            '[[feature_view.attribute]]\nname = "events"\naggregation = "counter"\n'
        )
    )
    user = UserState()
    for each in (declared if was_declared else NOTHING_DECLARED, declared):
        fold_event(user, stream_event(session_id="s"), NOON_S, NOON_S + 9, each)
    attributes = user.attributes if entity == "user" else user.sessions.newest[0].attributes
    assert attributes["view@1"].since_s == (0 if was_declared else NOON_S + 10)


@pytest.mark.parametrize(("later_s", "ms"), [(-1, 250), (0, 250), (1, 0)])
def test_attributes_have_an_event_at_its_millisecond_and_one_ahead_at_its_arrival(
    later_s: int, ms: int
) -> None:
    event = stream_event(occurred_at=rfc3339(NOON + timedelta(seconds=later_s, milliseconds=250)))
    counted_s = NOON_S + min(later_s, 0)
    assert moment_of(event, seconds(event), NOON_S) == Moment(counted_s * 1_000 + ms, NOON_S)


@given(st.permutations([0, 1, 250, 251, 999]))
def test_recent_items_of_one_second_are_in_the_order_of_their_milliseconds(order: list[int]) -> None:
    user, _ = folded(
        [
            stream_event(items=[{"item_id": f"at {ms}"}], occurred_at=f"2026-03-10T12:00:00.{ms:03}Z")
            for ms in order
        ]
    )
    assert [entry.item_id for entry in user.recent] == ["at 999", "at 251", "at 250", "at 1", "at 0"]


def test_a_long_event_counts_once_for_its_user_and_once_for_each_item() -> None:
    user, effects = folded([many_items(ITEMS_MAX, "purchase")])
    purchase = TYPE_CODE["purchase"]
    assert user.counters == {purchase: 1, "XXX": ITEMS_MAX * 1_000_000}
    assert user.sessions.newest[-1].counters == user.counters
    assert [effect.code for effect in effects] == [purchase] * ITEMS_MAX


@pytest.mark.parametrize(("event_type", "most"), [("item_view", PARTNERS_MAX), ("purchase", BOUGHT_MAX)])
def test_an_item_makes_few_pairs_at_a_time(event_type: str, most: int) -> None:
    _, effects = folded([many_items(ITEMS_MAX, event_type)])
    assert max(len(effect.viewed_with) + len(effect.bought_with) for effect in effects) == most


def test_the_same_item_twice_in_one_event_counts_twice_and_pairs_once() -> None:
    event = stream_event(items=[{"item_id": "a"}, {"item_id": "b"}, {"item_id": "a"}])
    _, effects = folded([event])
    assert [effect.item_ids for effect in effects] == [("a",), ("b",), ("a",)]
    assert [list(effect.viewed_with) for effect in effects] == [[], ["a"], []]


def test_nothing_is_paired_across_sessions() -> None:
    events = [
        stream_event(event_id="1", items=[{"item_id": "a"}], occurred_at="2026-03-10T10:00:00Z"),
        stream_event(event_id="2", items=[{"item_id": "b"}], occurred_at="2026-03-10T10:31:00Z"),
    ]
    user, effects = folded(events)
    assert user.pairs_count == 0
    assert not any(effect.viewed_with for effect in effects)


@given(st.lists(stream_events(event_types=("identify", "page_view")), max_size=10))
def test_a_profile_is_bounded_and_spans_the_events(events: list[Event]) -> None:
    profile = folded(events)[0].profile
    assert len(profile.traits) <= TRAITS_MAX
    assert len(profile.aliases) <= ALIASES_MAX
    if events:
        assert profile.first_seen_s == min(map(seconds, events))
        assert profile.last_seen_s == max(map(seconds, events))


@given(OBJECTS)
@example({"a": 2**64})
def test_whatever_traits_are_said_the_row_can_be_stored(traits: dict[str, Any]) -> None:
    user, _ = folded([stream_event(traits=traits)])
    assert decode_user(encode_user(user)) == user


TRAITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scalars": ({"a": "x", "b": 1, "c": 2.5, "d": True}, {"a": "x", "b": 1, "c": 2.5, "d": True}),
    "no scalars": ({"a": None, "b": [1], "c": {"d": 1}}, {}),
    "long texts are cut": ({"k" * 99: "v" * 99}, {"k" * TRAIT_CHARS_MAX: "v" * TRAIT_CHARS_MAX}),
    "the largest integers": ({"a": 2**63 - 1, "b": 1 - 2**63}, {"a": 2**63 - 1, "b": 1 - 2**63}),
    "integers that no row can hold": ({"a": 2**64, "b": -(2**63) - 1, "c": 10**30}, {}),
}


@pytest.mark.parametrize(("said", "kept"), TRAITS.values(), ids=TRAITS)
def test_traits_are_kept_as_scalars_within_bounds(said: dict[str, Any], kept: dict[str, Any]) -> None:
    user, _ = folded([stream_event(event_type="identify", items=None, traits=said)])
    assert user.profile.traits == kept
    encode_user(user)


def test_newer_traits_win_and_older_ones_arriving_late_do_not() -> None:
    def said(at: str, **traits: str) -> Event:
        return stream_event(event_id=at, occurred_at=f"2026-03-10T{at}:00:00Z", traits=traits)

    user, _ = folded([said("11", city="Bonn"), said("12", plan="pro"), said("10", city="Ulm", plan="free")])
    assert user.profile.traits == {"city": "Bonn", "plan": "pro"}


def person(hour: int, **changes: Any) -> Event:
    said = {"event_type": "identify", "items": None, **changes}
    return stream_event(occurred_at=f"2026-03-10T{hour:02}:00:00Z", **said)


LOCALES: dict[str, tuple[list[tuple[int, Any]], str | None]] = {
    "said once": ([(9, "de-DE")], "de-DE"),
    "the newest": ([(9, "de-DE"), (10, "en-GB")], "en-GB"),
    "an older one that comes late": ([(10, "en-GB"), (9, "de-DE")], "en-GB"),
    "at one time, the last that came": ([(9, "de-DE"), (9, "en-GB")], "en-GB"),
    "nothing said later": ([(9, "de-DE"), (10, None)], "de-DE"),
    "a long one is cut": ([(9, "x" * 99)], "x" * TRAIT_CHARS_MAX),
}


@pytest.mark.parametrize(("said", "kept"), LOCALES.values(), ids=LOCALES)
def test_the_locale_is_the_one_said_last(said: list[tuple[int, Any]], kept: str | None) -> None:
    events = [person(hour, context={} if locale is None else {"locale": locale}) for hour, locale in said]
    assert folded(events)[0].profile.locale == kept


SEEN: dict[str, tuple[list[int], tuple[int, int]]] = {
    "once": ([9], (9, 9)),
    "in order": ([9, 10, 11], (9, 11)),
    "backwards": ([11, 10, 9], (9, 11)),
}


@pytest.mark.parametrize(("hours", "span"), SEEN.values(), ids=SEEN)
def test_a_person_is_seen_from_the_first_to_the_last_event(hours: list[int], span: tuple[int, int]) -> None:
    profile = folded([person(hour) for hour in hours])[0].profile
    midnight_s = NOON_S - 12 * 3_600
    assert (profile.first_seen_s, profile.last_seen_s) == tuple(midnight_s + h * 3_600 for h in span)


def test_of_too_many_traits_those_that_were_known_stay() -> None:
    first = {f"a{number}": number for number in range(TRAITS_MAX - 1)}
    second = {"b": 1, "c": 2, "a0": "new"}
    user, _ = folded([person(9, traits=first), person(10, traits=second)])
    assert user.profile.traits == {**first, "a0": "new", "b": 1}
    assert user.profile.traits_at_s == NOON_S - 2 * 3_600


def test_traits_of_one_moment_both_count() -> None:
    user, _ = folded([person(9, traits={"a": 1, "b": 1}), person(9, traits={"b": 2})])
    assert user.profile.traits == {"a": 1, "b": 2}


ALIASED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "a visitor alone": ([{"user_id": None, "anonymous_id": "a"}], []),
    "a user alone": ([{"user_id": "u", "anonymous_id": None}], []),
    "both": ([{"user_id": "u", "anonymous_id": "a"}], ["a"]),
    "again": ([{"user_id": "u", "anonymous_id": name} for name in "aba"], ["a", "b"]),
    "more than fit": (
        [{"user_id": "u", "anonymous_id": f"a{n}"} for n in range(ALIASES_MAX + 1)],
        [f"a{n}" for n in range(1, ALIASES_MAX + 1)],
    ),
}


@pytest.mark.parametrize(("said", "aliases"), ALIASED.values(), ids=ALIASED)
def test_anonymous_ids_are_those_that_were_said_with_the_user(
    said: list[dict[str, Any]], aliases: list[str]
) -> None:
    events = [person(9, **ids) for ids in said]
    assert folded(events)[0].profile.aliases == aliases


def test_a_person_is_known_under_the_last_few_anonymous_ids() -> None:
    events = [stream_event(event_id=f"{n}", anonymous_id=f"a{n}") for n in range(ALIASES_MAX + 2)]
    assert folded([*events, *events])[0].profile.aliases[-1] == f"a{ALIASES_MAX + 1}"
    assert len(set(folded(events)[0].profile.aliases)) == ALIASES_MAX
