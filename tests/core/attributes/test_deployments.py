"""Whatever releases and definitions wrote a row by turns: a state holds what came since it says it began."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from attribute_files import file_of
from hypothesis import given
from hypothesis import strategies as st

from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.attributes.definitions import Definitions
from tapstack.core.attributes.reading import read_definitions
from tapstack.core.events import decode_event
from tapstack.core.fold import drop_attributes, fold_event
from tapstack.core.rows import UserState, decode_user, encode_user
from tapstack.errors import InvalidEvent
from tapstack_local.reconciliation.attributes import Seen, expected

NOON_S = 1_790_000_000
VIEWS = {"name": "views", "aggregation": "counter", "events": ["item_view"], "windows": ["1h", "lifetime"]}
SPEND = {"name": "spend", "aggregation": "sum", "property": "value", "windows": ["24h"]}
OLD, NEW = (read_definitions(file_of(VIEWS, version=1)), read_definitions(file_of(VIEWS, SPEND, version=2)))
CHANGED = read_definitions(file_of(VIEWS, SPEND, version=1))  # without a new version
OF_SESSIONS = read_definitions(file_of(VIEWS, entity="session"))
RELEASES = {
    "none": NOTHING_DECLARED,
    "old": Declared(OLD),
    "new": Declared(NEW),
    "changed": Declared(CHANGED),
}

_said = st.tuples(
    st.sampled_from(["item_view", "cart_add"]),
    st.integers(0, 9),
    st.sampled_from([0, 0, 1]) | st.integers(0, 4_000),
    st.sampled_from(list(RELEASES)),
)


def record(event_type: str, value: int, at_s: int, **more: Any) -> bytes:
    at = datetime.fromtimestamp(at_s, UTC).isoformat()
    said = {"event_type": event_type, "user_id": "ann", "event_id": f"{at_s}-{value}", "value": value}
    said |= {"items": [{"item_id": "mug"}], "occurred_at": at, "received_at": at, "schema": "clickstream/1"}
    return msgspec.json.encode(said | more)


def fold(user: UserState, data: bytes, arrived_s: int, declared: Declared) -> UserState:
    event = decode_event(data)
    at_s = int(event.occurred_at.timestamp())
    if declared.is_empty:
        drop_attributes(user)
    fold_event(user, event, at_s, arrived_s, declared, data)
    return decode_user(encode_user(user))


@given(st.lists(_said, min_size=1, max_size=12))
def test_a_state_holds_what_came_since_it_began(said):
    user, arrived_s, all_seen = UserState(), NOON_S, []
    since: dict[tuple[str, int], tuple[int, list[Seen]]] = {}  # by view and definition
    for place, (event_type, value, pause_s, release) in enumerate(said):
        arrived_s += pause_s
        data = record(event_type, value, arrived_s)
        declared = RELEASES[release]
        user = fold(user, data, arrived_s, declared)
        seen = Seen(msgspec.json.decode(data), arrived_s * 1_000, arrived_s)
        kept = {
            (view.key, view.fingerprint): since.get((view.key, view.fingerprint))
            for view in declared.definitions.feature_view
        }
        since = {key: state or (arrived_s + 1 if place else 0, []) for key, state in kept.items()}
        all_seen.append(seen)
        for since_s, events in since.values():
            events.append(seen)
            assert [each for each in all_seen if each.arrived_s >= since_s and each not in events] == []
        assert set(user.attributes) == {view.key for view in declared.definitions.feature_view}
        check(user, declared, since, arrived_s)


def check(user: UserState, declared: Declared, since: dict[tuple[str, int], Any], now_s: int) -> None:
    for view in declared.definitions.feature_view:
        began_s, events = since[view.key, view.fingerprint]
        state = user.attributes[view.key]
        assert state.since_s == began_s
        for kept, attribute, said in zip(
            declared.view_of(view).attributes, view.attribute, (VIEWS, SPEND), strict=False
        ):
            cells = state.attributes[view.attribute.index(attribute)] if state.attributes else None
            for window in attribute.spans:
                answer = kept.answer(cells, window, state.arrived_s, now_s)
                assert answer.value == expected(said, window.name, events, now_s)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 900)), min_size=1, max_size=10))
def test_a_session_counts_its_own_events(said):
    user, arrived_s, declared = UserState(), NOON_S, Declared(OF_SESSIONS)
    for label, pause_s in said:
        arrived_s += pause_s
        more = {} if label is None else {"session_id": label}
        user = fold(user, record("item_view", 1, arrived_s, **more), arrived_s, declared)
    for session in user.sessions.newest:
        if session.label is not None:
            assert session.attributes["v@1"].attributes[0][0] == session.counters[1]
    assert user.attributes == {}
    assert all(not session.attributes for session in user.sessions.newest if session.label is None)


def test_a_row_that_was_there_before_says_since_when():
    user = fold(UserState(), record("item_view", 1, NOON_S), NOON_S, NOTHING_DECLARED)
    assert user.attributes == {}
    user = fold(user, record("cart_add", 1, NOON_S + 9), NOON_S + 9, Declared(OLD))
    assert user.attributes["v@1"].since_s == NOON_S + 10


def test_a_ttl_forgets_what_was_long_ago():
    declared = Declared(read_definitions(file_of(VIEWS, ttl="1h")))
    user = fold(UserState(), record("item_view", 1, NOON_S), NOON_S, declared)
    for after_s, count in ((3_600, 2), (7_200, 3), (10_801, 1)):
        user = fold(user, record("item_view", 1, NOON_S + after_s), NOON_S + after_s, declared)
        assert user.attributes["v@1"].attributes[0][0] == count


def test_a_clock_that_is_ahead_counts_at_its_arrival():
    user = UserState()
    data = record("item_view", 1, NOON_S + 86_000)
    event = decode_event(data)
    declared = Declared(OLD)
    fold_event(user, event, NOON_S + 86_000, NOON_S, declared, data)
    kept = declared.view_of(OLD.feature_view[0]).attributes[0]
    (hour, _), state = OLD.feature_view[0].attribute[0].spans, user.attributes["v@1"]
    assert kept.answer(state.attributes[0], hour, state.arrived_s, NOON_S).value == 1
    assert kept.answer(state.attributes[0], hour, state.arrived_s, NOON_S + 4_000).value == 0


@pytest.mark.parametrize(
    "odd",
    [
        b'"properties": [1]',
        b'"properties": {"size": 1e999}',
        b'"context": {"page": "\\ud83d"}',
        b'"traits": {"deep": ' + b"[" * 3_000 + b"]" * 3_000 + b"}",
        b'"recommendation_id": 7, "event_name": {}',
    ],
)
def test_a_record_of_others_that_cannot_be_read_whole_counts_by_its_type(odd: bytes) -> None:
    size = {"name": "size", "aggregation": "sum", "property": "properties.size"}
    declared = Declared(read_definitions(file_of(VIEWS, size)))
    data = record("item_view", 1, NOON_S).removesuffix(b"}") + b", " + odd + b"}"
    try:
        user = fold(UserState(), data, NOON_S, declared)
    except InvalidEvent:
        return  # then it is none
    views, sizes = user.attributes["v@1"].attributes
    assert (views[0], sizes) == (1, None)


def test_nothing_declared_is_said_by_no_definitions():
    assert Declared(Definitions()).is_empty
    assert not Declared(OLD).is_empty
