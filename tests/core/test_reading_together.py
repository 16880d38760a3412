"""Events that are read together: what is found is what would be one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import BAD_VALUES, broken_events, client_event, client_event_dicts
from tapstack.core.client_events import NESTING_MAX, Said, read_client_event
from tapstack.core.events import EVENT_BYTES_MAX
from tapstack.core.together import read_client_array, read_client_events
from tapstack.errors import InvalidEvent

PLAIN = client_event_dicts().map(msgspec.json.encode)


def nested(levels: int) -> bytes:
    """An event that has so many levels, its own among them."""
    inner = levels - 2
    return msgspec.json.encode(client_event(properties={"a": 0})).replace(b"0", b"[" * inner + b"]" * inner)


def as_long_as(count: int) -> bytes:
    return msgspec.json.encode(client_event()).ljust(count)


NOT_PLAIN = {
    **{name: b'{"event_type":"custom","properties":' + bad + b"}" for name, bad in BAD_VALUES.items()},
    "a placeholder": msgspec.json.encode(client_event(session_id="undefined")),
    "an item's placeholder": msgspec.json.encode(client_event(items=[{"item_id": "null"}])),
    "a blank": msgspec.json.encode(client_event(event_id=" ")),
    "an impression that is blank": msgspec.json.encode(client_event(impressions=["a", "\u2003"])),
    "no list": msgspec.json.encode(client_event(items=[{"item_id": "a", "list_id": ""}])),
    "a control character": msgspec.json.encode(client_event(user_id="a\x7f")),
    "a number in a text": msgspec.json.encode(client_event(value="1")),
    "a currency in small letters": msgspec.json.encode(client_event(currency="eur")),
    "null for a list": b'{"event_type":"custom","event_id":"a","user_id":"u","items":null}',
    "nobody": msgspec.json.encode(client_event(user_id=None)),
    "no time": msgspec.json.encode(client_event(occurred_at="0001-01-01T00:00:00+01:00")),
    "too many units of UTF-16": msgspec.json.encode(client_event(user_id="\U0001f600" * 129)),
    "too many levels": nested(NESTING_MAX + 1),
    "too many bytes": as_long_as(EVENT_BYTES_MAX + 1),
    "an array": b"[]",
    "brackets": b"[" * (NESTING_MAX + 1),
    "brackets after a NUL": b'{"a":"\x00' + b"[" * NESTING_MAX,
}
STILL_PLAIN = {
    "as many levels as may be": nested(NESTING_MAX),
    "as many bytes as may be": as_long_as(EVENT_BYTES_MAX),
    "brackets in a text": msgspec.json.encode(client_event(query="[{" * NESTING_MAX)),
    "many brackets": msgspec.json.encode(client_event(properties={"a": [[]] * NESTING_MAX})),
    "a note on traits": msgspec.json.encode(client_event(traits={"a": [1]})),
    "letters beyond ASCII": msgspec.json.encode(client_event(user_id="Zoë", query="\U0001f600")),
}


def array(texts: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def openings(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def one_by_one(texts: Sequence[bytes]) -> list[Said | InvalidEvent]:
    found: list[Said | InvalidEvent] = []
    for text in texts:
        try:
            found.append(read_client_event(text))
        except InvalidEvent as error:
            found.append(error)
    return found


def shown(found: Sequence[Said | InvalidEvent]) -> list[object]:
    return [
        (each.field, each.reason, each.code) if isinstance(each, InvalidEvent) else each for each in found
    ]


@given(st.lists(PLAIN | broken_events() | st.sampled_from([*NOT_PLAIN.values(), *STILL_PLAIN.values()])))
def test_events_are_read_together_as_one_by_one(texts: list[bytes]) -> None:
    assert shown(read_client_events(texts)) == shown(one_by_one(texts))


@given(st.lists(PLAIN | st.sampled_from([*NOT_PLAIN.values(), *STILL_PLAIN.values()]), max_size=3))
def test_an_array_is_read_at_once_as_one_by_one_or_not_at_all(texts: list[bytes]) -> None:
    found = read_client_array(array(texts))
    assert found is None or shown(found) == shown(one_by_one(texts))


@given(st.lists(PLAIN))
def test_an_array_of_plain_events_is_read_at_once(texts: list[bytes]) -> None:
    found = read_client_array(array(texts))
    assert found is not None or len(array(texts)) > EVENT_BYTES_MAX or sum(map(openings, texts)) > NESTING_MAX


@pytest.mark.parametrize("count", [1, 2, 20, 60])
@pytest.mark.parametrize("levels", range(NESTING_MAX - 2, NESTING_MAX + 2))
@pytest.mark.parametrize(
    "said",
    [
        {"items": [{"item_id": "a"}], "context": {}},
        {"event_type": "page_view", "items": None, "properties": {}, "traits": {}},
        {"event_type": "page_view", "items": None},
    ],
    ids=["items", "no items", "nothing more"],
)
def test_in_an_array_no_event_has_too_many_levels(said: dict[str, Any], count: int, levels: int) -> None:
    texts = [msgspec.json.encode(client_event(**said))] * (count - 1)
    found = read_client_array(array([*texts, nested(levels)]))
    assert (found is None) == (levels > NESTING_MAX)


@pytest.mark.parametrize("text", (NOT_PLAIN | STILL_PLAIN).values(), ids=NOT_PLAIN | STILL_PLAIN)
def test_an_unusual_event_changes_nothing_of_the_others(text: bytes) -> None:
    plain, first = msgspec.json.encode(client_event()), msgspec.json.encode(client_event(event_id="e-0"))
    texts = [first, text, plain]
    assert shown(read_client_events(texts)) == shown(one_by_one(texts))
    assert shown(read_client_events([text])) == shown(one_by_one([text]))


@pytest.mark.parametrize("text", STILL_PLAIN.values(), ids=STILL_PLAIN)
def test_an_unusual_event_may_be_valid(text: bytes) -> None:
    [said] = read_client_events([text])
    assert isinstance(said, Said)
