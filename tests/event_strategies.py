"""Events for property tests: small sets of users and items, so that they meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st

from tapstack.collector.records import Records
from tapstack.core.events import (
    EVENT_TYPES,
    ITEMS_REQUIRED,
    ClientEvent,
    Event,
    StreamEvent,
    decode_event,
)
from tapstack.core.normalisation import are_plain_ids

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
NOON_S = int(NOON.timestamp())

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    # JSON cannot carry lone surrogates.
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "locale", "page"]), JSON_VALUES, max_size=3)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
IDS = NAMES.filter(lambda name: are_plain_ids([name]))
CLIENT_IDS = st.integers(0, 3).map(lambda i: f"0189{i:04x}-ac96-774b-bcce-b302099a8057")
AMOUNTS = st.floats(0, 1_000) | st.integers(0, 500)


def canonical(event: ClientEvent, received_at: datetime) -> StreamEvent:
    """What the collector makes of an event, as it stands on the stream."""
    return msgspec.json.decode(Records(received_at).record(event), type=StreamEvent)


def rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def item_dicts(ids: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"item_id": ids or st.sampled_from([f"item-{i}" for i in range(6)])},
        optional={
            "price": AMOUNTS,
            "quantity": st.integers(0, 5),
            "currency": st.sampled_from(["EUR", "JPY"]),
            "position": st.integers(0, 50),
            "category": NAMES,
        },
    )


# Made once: Hypothesis checks a strategy before it draws from it, which takes as long as to draw.
EVENT_IDS = st.sampled_from([f"e-{i}" for i in range(40)]) | IDS
USERS = st.sampled_from(["ann", "bob", "cy"])
IDENTITIES = st.sampled_from(["user", "anonymous", "both"])
OPTIONAL = {
    "session_id": st.sampled_from(["s1", "s2"]),
    "value": AMOUNTS,
    "currency": st.sampled_from(["EUR", "JPY"]),
    "query": NAMES,
    "traits": OBJECTS,
    "context": OBJECTS,
    "properties": OBJECTS,
    "occurred_at": st.timedeltas(-timedelta(hours=30), timedelta(hours=30)).map(
        lambda offset: rfc3339(NOON + offset)
    ),
}
OPTIONAL_NAMES = st.sets(st.sampled_from(sorted(OPTIONAL)), max_size=4)


@cache
def item_lists(size_min: int, size_max: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(item_dicts(), min_size=size_min, max_size=size_max)


@st.composite
def client_event_dicts(
    draw: st.DrawFn,
    users: st.SearchStrategy[str] | None = None,
    event_types: tuple[str, ...] = EVENT_TYPES,
    items_max: int = 4,
) -> dict[str, Any]:
    """What a sender may say: valid, with either identity and any optional field."""
    event: dict[str, Any] = {"event_type": draw(st.sampled_from(event_types))}
    if draw(st.booleans()):
        event |= {"client_id": draw(CLIENT_IDS), "n": draw(st.integers(0, 30))}
        if draw(st.integers(0, 4)) == 0:
            event["event_id"] = draw(IDS)
    else:
        event["event_id"] = draw(EVENT_IDS)
    user = draw(users or USERS)
    kind = draw(IDENTITIES)
    if kind != "anonymous":
        event["user_id"] = user
    if kind != "user":
        event["anonymous_id"] = f"anon-{user}"
    items_min = 1 if event["event_type"] in ITEMS_REQUIRED else 0
    if items := draw(item_lists(items_min, max(items_min, items_max))):
        event["items"] = items
    for name in draw(OPTIONAL_NAMES):
        event[name] = draw(OPTIONAL[name])
    return event


def client_event(**changes: Any) -> dict[str, Any]:
    """A small valid event; a change to None leaves the field out."""
    event = {
        "event_type": "item_view",
        "event_id": "e-1",
        "user_id": "ann",
        "items": [{"item_id": "item-1"}],
        **changes,
    }
    return {name: value for name, value in event.items() if value is not None}


def stream_event_dict(received_at: datetime = NOON, **changes: Any) -> dict[str, Any]:
    """The same as the collector puts it on the stream."""
    event = {"received_at": rfc3339(received_at), **client_event(**changes)}
    if "occurred_at" in event:
        return {"clock_skew_ms": 0, **event}
    return {**event, "occurred_at": event["received_at"]}


def stream_event(received_at: datetime = NOON, **changes: Any) -> Event:
    return decode_event(msgspec.json.encode(stream_event_dict(received_at, **changes)))


# What senders write where JSON wants a value. JavaScript's JSON.stringify makes the first of a text that
# was cut in the middle of an emoji.
NO_JSON_VALUES: dict[str, bytes] = {
    "half an emoji": rb'"\ud83d"',
    "its other half": rb'"x\ude00x"',
    "two first halves": rb'"\ud83d\ud83d"',
    "half an emoji as a name": rb'{"\ud83d": 1}',
    "a control character": b'"a\x00b"',
    "a line feed": b'"a\nb"',
    "brackets in a string that is none": b'"\n]}, {[,"',
    "an escaped quote in a string that is none": b'"\n\\"]}\\\\"',
    "an escape of no meaning": rb'"\x41"',
    "no UTF-8": b'"\xff"',
    "no number": b"NaN",
    "infinity": b"-Infinity",
    "a word": b"undefined",
    "a number with a zero before": b"007",
    "nothing": b"",
    "a comma too many": b"[1,]",
    "brackets that do not match": b"[{]}",
}
TOO_DEEP_VALUES: dict[str, bytes] = {  # JSON, and more of it inside itself than every reader's stack holds
    "nested": b"[" * 2_000 + b"]" * 2_000,
    "nested objects": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
}
BAD_VALUES = NO_JSON_VALUES | TOO_DEEP_VALUES  # which no event that is accepted has anywhere


@st.composite
def broken_events(draw: st.DrawFn) -> bytes:
    """Events that are no JSON, though a reader can see where they end."""
    said = msgspec.json.encode(draw(client_event_dicts()))
    if draw(st.booleans()):
        value = draw(st.sampled_from(sorted(BAD_VALUES.values())))
        return said[:-1] + b',"properties":' + value + b"}"
    # A control character is wrong everywhere, inside strings too, and moves no string's end: never before
    # what a backslash escapes.
    places = [place for place in range(len(said) + 1) if said[place - 1 : place] != b"\\"]
    place = draw(st.sampled_from(places))
    return said[:place] + draw(st.sampled_from([b"\x00", b"\x08", b"\x1f"])) + said[place:]


@st.composite
def stream_events(draw: st.DrawFn, **options: Any) -> Event:
    """Events as they stand on the stream."""
    event = draw(client_event_dicts(**options))
    if "occurred_at" in event:
        event["clock_skew_ms"] = 0
    else:
        event["occurred_at"] = rfc3339(NOON)
    return decode_event(msgspec.json.encode({**event, "received_at": rfc3339(NOON)}))
