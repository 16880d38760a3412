"""Events are checked, timed and numbered when they are sent."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from producer_world import NOW_MS, identity, said

from event_strategies import OPTIONAL, client_event
from examples import share
from tapstack import producer as public
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import ITEMS_REQUIRED, ClientEvent, EventType
from tapstack.core.identity import EPOCH
from tapstack.errors import InvalidEvent
from tapstack.producer import Event, Item, ItemView, Purchase, Search
from tapstack.producer.stamping import Numbers, check, encode, uuid7

TYPES = {
    each.event_type: each
    for each in vars(public).values()
    if isinstance(each, type) and issubclass(each, Event) and each is not Event
}
NOW = EPOCH + timedelta(milliseconds=NOW_MS)


def sent(*events: Any, users_max: int = 100) -> list[bytes]:
    numbers = Numbers(lambda: NOW_MS, users_max=users_max)
    found = []
    for event in events:
        checked = check(event, NOW_MS)
        found.append(encode(checked, numbers)[0])
        if checked.user is not None:
            numbers.take(checked.user)
    return found


def test_there_is_a_type_for_each_event_type_and_each_has_all_fields() -> None:
    assert set(TYPES) == set(get_args(EventType))
    set_by_the_producer = {"event_type", "client_id", "n"}
    for kind, each in TYPES.items():
        assert set(each.__struct_fields__) == set(ClientEvent.__struct_fields__) - set_by_the_producer
        items = next(field for field in msgspec.structs.fields(each) if field.name == "items")
        assert items.required == (kind in ITEMS_REQUIRED)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_an_event_of_each_type_is_what_the_collector_takes(kind: EventType) -> None:
    (data,) = sent(TYPES[kind](user_id="u", items=[Item(item_id="i", price=9.9)], value=2))  # type: ignore[call-arg]
    event = decode_client_event(data)
    assert (event.event_type, event.user_id, event.items[0].price, event.value) == (kind, "u", 9.9, 2.0)
    assert event.occurred_at == NOW
    assert (event.n, event.event_id) == (0, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=3,
)


@share(0.5)
@given(st.fixed_dictionaries({}, optional=OPTIONAL), st.dictionaries(st.text(), JSON, max_size=3))
def test_what_is_taken_is_taken_by_the_collector_too_and_means_the_same(
    fields: dict[str, Any], properties: dict[str, Any]
) -> None:
    """Whatever Python's values hold: an event that is refused later would have been taken for nothing."""
    event = {**client_event(), **fields}
    try:
        (data,) = sent({**event, "properties": properties})
    except InvalidEvent:
        return
    read = decode_client_event(data)
    assert (read.event_type, read.user_id) == (event["event_type"], event.get("user_id"))


@pytest.mark.parametrize(
    ("event", "message"),
    [
        pytest.param(Search(query="x"), "user_id: user_id or anonymous_id is required", id="nobody"),
        pytest.param(
            Search(user_id="undefined"), "user_id: user_id or anonymous_id is required", id="placeholder"
        ),
        pytest.param(
            ItemView(user_id="u", items=[Item(item_id=5)]),  # type: ignore[arg-type]
            "items[0].item_id: expected a string, got a number",
            id="a number for an id",
        ),
        pytest.param(
            ItemView(user_id="u", items=[]), "items: item_view needs at least one item", id="no items"
        ),
        pytest.param(
            Search(user_id="u", occurred_at=datetime(2026, 3, 10)),
            "occurred_at: expected an RFC 3339 time with a zone, such as 2026-03-10T12:00:00Z",
            id="no zone",
        ),
        pytest.param(
            {"event_type": "search", "user_id": "u", "colour": "red"},
            "colour: unknown field; put what the schema does not name into the event's properties",
            id="unknown field",
        ),
        pytest.param(
            {"event_type": "look", "user_id": "u"},
            "event_type: expected one of page_view, item_view",
            id="type",
        ),
        pytest.param(
            {"event_type": "search", "user_id": "u", "received_at": "2026-03-10T12:00:00Z"},
            "received_at: is set by the collector and not accepted from senders",
            id="set by the collector",
        ),
        pytest.param(
            {"event_type": "search", "user_id": "u", "n": 4},
            "client_id: client_id and n come together",
            id="half",
        ),
        pytest.param(
            Search(user_id="u", properties={"a": object()}),
            "expected what JSON can hold; Encoding objects of type object is unsupported",
            id="an object",
        ),
        pytest.param(
            Search(user_id="u", properties={"a": "\ud83d"}), "expected what JSON can hold", id="half an emoji"
        ),
        pytest.param(
            Search(user_id="u", properties={"a": "x" * 40_000}),
            "expected at most 32768 bytes, got 40",
            id="too large",
        ),
        pytest.param(["search"], "expected an event or a mapping, got list", id="a list"),
    ],
)
def test_what_is_wrong_is_said_by_field(event: Any, message: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        sent(event)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("levels", [60, 70, 2_000, 100_000])
def test_nesting_that_a_reader_might_not_hold_is_refused(levels: int) -> None:
    nested: Any = 1
    for _ in range(levels):
        nested = [nested]
    event = Search(user_id="u", properties={"a": nested})
    if levels < 64:
        assert sent(event)
        return
    with pytest.raises(InvalidEvent):
        sent(event)


def test_an_identity_of_the_applications_own_is_kept_and_takes_no_number() -> None:
    client_id = uuid7(NOW_MS, b"0123456789")
    events = sent(
        {"event_type": "search", "user_id": "u", "event_id": "e-1"},
        {"event_type": "search", "user_id": "u", "client_id": client_id, "n": 7},
        {"event_type": "search", "user_id": "u", "event_id": "", "client_id": None},
    )
    first, second, third = map(identity, events)
    assert first == (None, None, "e-1")
    assert second == (client_id, 7, None)
    assert (third[1], third[2]) == (0, None)


def test_a_time_of_the_applications_own_is_kept() -> None:
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    (data,) = sent(Search(user_id="u", occurred_at=at))
    assert decode_client_event(data).occurred_at == at


def test_amounts_may_be_decimals() -> None:
    (data,) = sent(Purchase(user_id="u", items=[Item(item_id="i", price=Decimal("9.90"))]))  # type: ignore[arg-type]
    assert said(data)["items"] == [{"item_id": "i", "price": 9.9}]


@share(0.5)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=40), st.integers(1, 14))
def test_the_numbers_of_each_client_have_no_holes_and_belong_to_one_user(
    people: list[tuple[bool, int]], users_max: int
) -> None:
    """However few users are known at once."""
    events = [
        {"event_type": "search", "user_id" if is_known else "anonymous_id": str(who)}
        for is_known, who in people
    ]
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    users: defaultdict[str, set[tuple[Any, Any]]] = defaultdict(set)
    for data in map(said, sent(*events, users_max=users_max)):
        numbers[data["client_id"]].append(data["n"])
        users[data["client_id"]].add((data.get("user_id"), data.get("anonymous_id")))
    assert all(each == list(range(len(each))) for each in numbers.values())
    assert all(len(each) == 1 for each in users.values())
    if len(set(people)) <= users_max:
        assert len(numbers) == len(set(people))


def test_a_user_who_is_forgotten_takes_a_client_id_anew() -> None:
    events = [{"event_type": "search", "user_id": user} for user in ("a", "b", "a", "a")]
    clients = [said(data)["client_id"] for data in sent(*events, users_max=1)]
    assert len(set(clients)) == 3
    assert clients[2] == clients[3]


def test_a_number_that_was_not_used_comes_again() -> None:
    numbers = Numbers(lambda: NOW_MS)
    first = numbers.next_of(("u", None))
    assert numbers.next_of(("u", None)) == first
    numbers.take(("u", None))
    assert numbers.next_of(("u", None)) == (first[0], 1)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_a_client_id_has_its_birth_time_inside(now_ms: int, entropy: bytes) -> None:
    client_id = uuid7(now_ms, entropy)
    decode_client_event(
        msgspec.json.encode({"event_type": "search", "user_id": "u", "client_id": client_id, "n": 0})
    )
    assert int(client_id.replace("-", "")[:12], 16) == now_ms
