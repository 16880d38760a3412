"""Rows: what is written is read, keys never meet, and sizes are bounded."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S, stream_event, stream_events
from memory_store import Store
from tapstack.collector.records import Records
from tapstack.core.aggregates import WINDOWS
from tapstack.core.attributes.definitions import FeatureView
from tapstack.core.capacity import row_bytes
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import Event, decode_event
from tapstack.core.fold import fold_event
from tapstack.core.history import HistoryBounds, Recent, is_due, spill
from tapstack.core.identity import identify, partition_key
from tapstack.core.journal import Effect, Entry, decode_entry, encode_entry
from tapstack.core.memory import NEW
from tapstack.core.ranking import Board
from tapstack.core.rows import (
    BOARD_ROWS,
    ITEM_ROWS,
    ITEM_ROWS_IN_PARTS,
    Derived,
    ItemParts,
    ItemState,
    Part,
    UserState,
    anonymous_key,
    attributes_partition,
    board_partition,
    decode_user,
    encode_derived,
    encode_user,
    item_partition,
    known_user_key,
    stripe_sort_key,
    user_key,
)
from tapstack.errors import InvalidEvent, UndecodableRow
from tapstack.projections.items import Items
from tapstack_local.traffic.generate import BASE_MS, generate

BOUNDS = HistoryBounds()
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


def folded(events: list[Event]) -> tuple[UserState, dict[str, ItemState]]:
    user, parts = UserState(), dict[str, ItemParts]()
    memory = Store(user.seen)
    for event in events:
        if memory.take(identify(event), NOON_S // 86_400) is NEW:
            at_s = int(event.occurred_at.timestamp())
            entry = Entry(1, NOON_S, fold_event(user, event, at_s, NOON_S))
            if user.history is not None and is_due(user.history, 0, BOUNDS):
                spill(user.history, len(user.recent), NOON_S, BOUNDS)
            for partition, change in Items().changes([entry]).items():
                Items().fold(parts.setdefault(partition, ITEM_ROWS_IN_PARTS.new()), change, {})
    return user, {partition: ITEM_ROWS.body(encode_derived({}, body)) for partition, body in parts.items()}


@given(st.lists(stream_events(), max_size=10))
def test_states_survive_storage(events: list[Event]) -> None:
    user, items = folded(events)
    assert decode_user(encode_user(user)) == user
    for item in items.values():
        assert ITEM_ROWS.read(encode_derived({0: 7}, item)) == Derived({0: 7}, item)


SERIES = st.dictionaries(
    st.integers(-1, 15), st.dictionaries(st.integers(-600, 24), st.integers(1, 2**40), max_size=3), max_size=2
)


@given(st.builds(Board, st.integers(0, 10**7), st.dictionaries(NAMES, SERIES, max_size=5), SERIES))
def test_boards_survive_storage(board: Board) -> None:
    assert BOARD_ROWS.body(encode_derived({}, board)) == board


def test_the_layout_of_a_users_row_is_the_documented_one() -> None:
    # Rows outlive releases: another order of fields needs a migration.
    first_release = ("seen", "profile", "counters", "recent", "sessions", "pairs_count")
    assert UserState.__struct_fields__ == (*first_release, "history", "attributes")
    assert ItemState.__struct_fields__ == ("counters", "viewed_with", "bought_with", "facts", "amounts")
    assert Board.__struct_fields__ == ("newest", "items", "evicted")
    assert msgspec.msgpack.decode(encode_user(UserState())) == [
        [{}, {}, {}, -1, -1, -1],
        [0, 0, None, {}, 0, [], {}],
        {},
        [],
        [[], 0, -1],
        0,
        None,
        {},
    ]
    for kind in (ITEM_ROWS, ITEM_ROWS_IN_PARTS):
        new = msgspec.msgpack.decode(encode_derived({0: 7}, kind.new()), strict=False)
        assert new == [{0: 7}, [[{}, [{}, {}, {}], 0], {}, {}, None, None]]


def test_recent_items_that_were_written_without_milliseconds_are_read() -> None:
    state = msgspec.msgpack.decode(encode_user(UserState()))
    state[3] = [[7, 1, "a"], [6, 1, "b"]]
    written = msgspec.msgpack.encode(state)
    assert decode_user(written).recent == [Recent(7, 1, "a", 0), Recent(6, 1, "b", 0)]
    user = decode_user(written)
    fold_event(user, stream_event(occurred_at="1970-01-01T00:00:07.001Z"), 7, 7)
    assert [entry.item_id for entry in user.recent] == ["item-1", "a", "b"]


@pytest.mark.parametrize(("fields", "of_seen"), [(6, 6), (5, 6), (6, 5)])
def test_a_users_row_is_at_least_as_long_as_the_first_release_wrote_it(fields: int, of_seen: int) -> None:
    seen, *others = msgspec.msgpack.decode(encode_user(UserState()))
    written = msgspec.msgpack.encode([seen[:of_seen], *others[: fields - 1]])
    if (fields, of_seen) == (6, 6):
        assert decode_user(written) == UserState()
        return
    with pytest.raises(UndecodableRow, match=r"^user: its arrays end too early$"):
        decode_user(written)


PARTNERS = Part[dict[str, int]](dict[str, int])
UNDECODABLE: dict[str, tuple[Callable[[Any], object], bytes, str]] = {
    "cut off": (decode_user, b"\x96\x96", "user: Input data was truncated"),
    "another type": (ITEM_ROWS.read, b"\xa6secret", "item: Expected `array`"),
    "no UTF-8": (PARTNERS.read, b"\x81\xa7secret\xff\x01", "item: UnicodeDecodeError"),
    "an entry with text that is no UTF-8": (
        partial(decode_entry, 1),
        encode_entry([Effect(item_ids=["secret"], code=1, at_s=1, arrived_s=1)]).replace(
            b"secret", b"secre\xff"
        ),
        "journal entry: UnicodeDecodeError",
    ),
    "a part of another type": (PARTNERS.read, b"\xa6secret", "item: Expected `object`"),
}


@pytest.mark.parametrize(("read", "state", "said"), UNDECODABLE.values(), ids=UNDECODABLE)
def test_what_cannot_be_read_is_said_without_its_values(
    read: Callable[[Any], object], state: bytes, said: str
) -> None:
    with pytest.raises(UndecodableRow) as caught:
        read(state)
    assert str(caught.value).startswith(said)
    assert "secret" not in str(caught.value)
    assert "0xff" not in str(caught.value)


def test_an_item_has_a_partition_of_attributes_and_categories_share_as_many_as_there_are_bytes() -> None:
    goods = FeatureView(name="goods", entity="item", attribute=())
    shelf = FeatureView(name="shelf", entity="category", attribute=())
    names = [f"n-{number}" for number in range(4_000)]
    assert {attributes_partition(goods, name) for name in names} == {
        f"F#{goods.definition}#{name}" for name in names
    }
    assert {attributes_partition(shelf, name) for name in names} == {
        f"F#{shelf.definition}#{number:02x}" for number in range(256)
    }


@given(st.sets(NAMES, min_size=2, max_size=6))
def test_no_two_things_share_a_row(names: set[str]) -> None:
    keys = [key for name in names for key in (known_user_key(name), anonymous_key(name))]
    keys += [(item_partition(name), "") for name in names]
    keys += [(board_partition(window), "") for window in WINDOWS]
    assert len(set(keys)) == len(keys)


USERS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "user": ({"user_id": "x"}, ("U#x", "-")),
    "visitor": ({"user_id": None, "anonymous_id": "x"}, ("A#x", "-")),
    "both": ({"user_id": "x", "anonymous_id": "y"}, ("U#x", "-")),
}


@pytest.mark.parametrize(("change", "expected"), USERS.values(), ids=USERS)
def test_events_go_to_the_known_user_else_to_the_visitor(
    change: dict[str, Any], expected: tuple[str, str]
) -> None:
    event = stream_event(**change)
    assert user_key(event.user_id, partition_key(event)) == expected


@given(st.integers(0, 9_998))
def test_stripes_sort_as_numbers(stripe: int) -> None:
    assert stripe_sort_key(stripe) < stripe_sort_key(stripe + 1)


def test_a_users_row_stays_within_two_kib_for_all_but_one_in_a_thousand() -> None:
    """On the generated clickstream, whose users are as active as real ones."""
    users: dict[tuple[str, str], UserState] = {}
    memories: dict[tuple[str, str], Store] = {}
    for request in generate(7, 12_000):
        received_at = datetime.fromtimestamp((BASE_MS + request.at_ms) / 1_000, tz=UTC)
        for payload in request.events:
            said = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
            try:
                event = decode_event(Records(received_at).record(decode_client_event(said)))
            except InvalidEvent:
                continue
            key = user_key(event.user_id, partition_key(event))
            user = users.setdefault(key, UserState())
            memory = memories.setdefault(key, Store(user.seen))
            if memory.take(identify(event), NOON_S // 86_400) is NEW:
                fold_event(user, event, int(event.occurred_at.timestamp()), NOON_S)
    sizes = sorted(row_bytes(key, encode_user(user)) for key, user in users.items())
    assert len(sizes) > 2_000
    assert sizes[len(sizes) * 999 // 1_000] <= 2_048


def _busy(seed: int, count: int, **fixed: Any) -> list[Event]:
    """Events of one person who never stops: every bound of the row is reached."""
    drawn = random.Random(seed)
    events = []
    for n in range(count):
        kind = drawn.choice(["item_view", "purchase", "item_click", "search"])
        device = drawn.randrange(40)
        event = {
            "event_type": kind,
            "user_id": "u" * 36,
            "anonymous_id": f"device-{device:029d}",
            "received_at": "2026-03-10T12:00:00Z",
            "occurred_at": f"2026-03-{drawn.randint(1, 9):02d}T{drawn.randint(0, 23):02d}:{n % 60:02d}:00Z",
            "clock_skew_ms": 0,
            "items": [{"item_id": f"sku-{drawn.randrange(10**6):08d}", "price": 9.5}],
            "traits": {f"trait-{drawn.randrange(100)}": "t" * 100},
            **fixed,
        }
        if drawn.random() < 0.5:
            event |= {
                "client_id": f"0189{device:04x}-ac96-774b-bcce-b302099a8057",
                "n": drawn.randrange(10**4),
            }
        else:
            event |= {"event_id": f"id-{n}"}
        events.append(decode_event(msgspec.json.encode(event)))
    return events


def test_the_row_of_a_user_who_never_stops_is_bounded() -> None:
    user, _ = folded(_busy(1, 3_000))
    size = len(encode_user(user))
    more, _ = folded(_busy(1, 6_000))
    assert size < 12_000
    assert len(encode_user(more)) < 12_000


def test_the_row_of_an_item_that_everybody_touches_is_bounded() -> None:
    entries = []
    for second in range(0, 40 * 86_400, 600):
        at_s, others = NOON_S + second, (f"sku-{second // 600:08d}",)
        effect = Effect(
            item_ids=("x",), code=1, at_s=at_s, arrived_s=at_s, bought={"EUR": 10**9},
            viewed_with=others, bought_with=others,
        )  # fmt: skip
        entries.append(Entry(1, at_s, [effect]))
    parts = ITEM_ROWS_IN_PARTS.new()
    Items().fold(parts, Items().changes(entries)[item_partition("x")], {})
    state = encode_derived({}, parts)
    assert len(state) < 2_500
    item = ITEM_ROWS.body(state)
    assert sum(item.viewed_with.values()) == sum(item.bought_with.values()) == item.counters.lifetime[1]
