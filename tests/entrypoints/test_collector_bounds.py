"""Whatever a request holds: its answer fits through the load balancer, its cost is that of good events."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import dependencies_of
from tapstack.collector.bodies import EVENTS_MAX
from tapstack.entrypoints.collector_request import Taken, take
from tapstack.ports import StreamEntry

# What a function may answer to the load balancer, as JSON.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html, read 2026-11-23
ANSWER_BYTES_MAX = 1_000_000
REQUEST_BYTES_MAX = 1_000_000


class Stream:
    """A stream that takes everything."""

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        return [True] * len(entries)


WORLD = dependencies_of(Stream())


def taken(body: bytes) -> Taken:
    event = {
        "httpMethod": "POST",
        "path": "/v1/events",
        "queryStringParameters": {},
        "headers": {},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    return take(event, WORLD, request_bytes_max=REQUEST_BYTES_MAX, event_bytes_max=32 * 1024)


def answer_bytes(body: bytes) -> int:
    """How long the function's answer is, written as Lambda's runtime for Python does: as ASCII."""
    return len(json.dumps(taken(body).answer))


def times(event: bytes, separator: bytes = b",") -> bytes:
    """As many of an event as a request may hold, each with an id of its own in place of a %."""
    numbers, size, events = count(), 2, []
    while len(events) < EVENTS_MAX and (size := size + len(event) + 6) < REQUEST_BYTES_MAX:
        events.append(event.replace(b"%", b"%06d" % next(numbers)))
    joined = separator.join(events)
    return b"[" + joined + b"]" if separator == b"," else joined


PEOPLE = b'"event_type":"page_view","event_id":"%","user_id":"u"'
NAME = '"\\\n\x00😀é語' * 6
TEXTS = st.text(max_size=60) | st.sampled_from(
    ["undefined", "null", "ABC", "\x00", "item_view", NAME, "x" * 300]
)
VALUES = st.recursive(
    st.none() | TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)
FIELDS = TEXTS | st.sampled_from(
    ["event_type", "event_id", "user_id", "session_id", "items", "traits", "currency", "item_id", "value"]
)


@given(st.dictionaries(FIELDS, VALUES, max_size=8))
def test_of_any_events_answers_a_request_has_room_for_as_many_as_it_may_hold(
    event: dict[str, object],
) -> None:
    results = taken(b"[" + json.dumps(event).encode() + b"]").results
    (one,) = (msgspec.json.encode(result).decode() for result in results)
    assert (len(json.dumps(one)) + 1) * EVENTS_MAX < ANSWER_BYTES_MAX - 2_000  # what stands around them


LARGE: dict[str, bytes] = {
    "names that JSON escapes": times(b"{" + PEOPLE + b',"' + rb"\"" * 100 + b'":1}'),
    "names of controls": times(b"{" + PEOPLE + b',"' + rb"\u0000" * 40 + b'":1}'),
    "names beyond ASCII": times(b"{" + PEOPLE + b',"' + "語".encode() * 60 + b'":1}'),
    "names of emojis": times(b"{" + PEOPLE + b',"' + "😀".encode() * 60 + b'":1}'),
    "names of emojis in items": times(b'{"items":[{"item_id":"a"},{"' + "語".encode() * 60 + b'":1}]}'),
    "unknown types": times(b'{"event_type":"x"}'),
    "unknown types, and placeholders": times(b'{"event_type":"x","anonymous_id":"undefined"}'),
    "notes": times(
        b"{"
        + PEOPLE
        + b',"currency":"ABC","recommendation_id":"null","session_id":"null","anonymous_id":"null",'
        b'"impressions":["null"],"items":[{"item_id":"a","list_id":"null","currency":"ABC"}]}'
    ),
    "notes, and refused": times(b"{" + PEOPLE + b',"anonymous_id":"null","event_type":"purchase"}'),
    "no JSON": times(rb'{"a":"\ud83d"}'),
    "lines": times(b"{" + PEOPLE + b',"' + rb"\"" * 100 + b'":1}', b"\n"),
    "one good event beside names of 15,000 quotes": b"[{%s}%s]"
    % (PEOPLE, (b',{"event_type":"page_view","' + rb"\"" * 15_000 + b'":1}') * 20),
}


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE)
def test_the_largest_answers_stay_below_the_load_balancers_limit(body: bytes) -> None:
    assert len(body) <= REQUEST_BYTES_MAX
    assert answer_bytes(body) < ANSWER_BYTES_MAX


def fill(unit: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return before + unit * ((REQUEST_BYTES_MAX - len(before) - len(after)) // len(unit)) + after


NESTED = (
    b'{"event_type":"page_view","event_id":"%","user_id":"u","properties":{"a":[' + b"[]," * 10_000 + b"1]}}"
)
COSTLY: dict[str, bytes] = {
    "brackets": fill(b"["),
    "brackets that are closed": b"[" * 500_000 + b"]" * 500_000,
    "pairs of brackets": fill(b"[],", b"[NaN,", b"1]"),
    "pairs of brackets, deeper": fill(b"[],", b"[[NaN,", b"1]]"),
    "commas": fill(b",", b"[", b"]"),
    "commas, deeper": fill(b",", b"[[", b"]]"),
    "objects in objects": fill(b'{"a":'),
    "strings": fill(b'"",', b"[NaN,", b"1]"),
    "quotes": fill(b'\\"', b'["'),
    "lines": fill(b"{}\n"),
    "lines of brackets": fill(b"[\n", b"{}\n"),
    "lines without an end": fill(b'"\n', b"{}\n"),
    "nothing": times(b"{}"),
    "arrays in events": times(NESTED),
    "arrays in events that are refused": times(NESTED.replace(b'"u"', b"1")),
    "events nested too deep": times(NESTED.replace(b"[]," * 10_000 + b"1", b"[" * 15_000 + b"]" * 15_000)),
    "items with a wrong field at the end": times(
        b'{"event_type":"item_view","event_id":"%","user_id":"u","items":['
        + b'{"item_id":"a","quantity":"2","currency":"abc"},' * 99
        + b'{"item_id":"a","quantity":"x"}]}'
    ),
    "long integers": times(b"{" + PEOPLE + b',"items":null,"properties":{"a":' + b"9" * 4_200 + b"}}"),
    "names that look like messages": times(b"{" + PEOPLE + b',"' + b"` - at `$" * 3_000 + b'":1}'),
    "ids of nothing": times(b"{" + PEOPLE + b',"anonymous_id":"' + b" " * 10_000 + b'x"}'),
}
GOOD = times(b"{" + PEOPLE + b',"properties":{"' + b'a":[1,2,3],"b' * 20 + b'":"text"}}')


COST_TIMES_MAX = 20  # 7 on a quiet machine, 14 on a loaded one; a loop over brackets in Python took 30


def cpu_s(body: bytes) -> float:
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        taken(body)
        best = min(best, time.process_time() - began)
    return best


@pytest.fixture(scope="module")
def good_cpu_s() -> float:
    return cpu_s(GOOD) * REQUEST_BYTES_MAX / len(GOOD)


@pytest.mark.parametrize("body", COSTLY.values(), ids=COSTLY)
def test_no_body_costs_many_times_what_good_events_of_its_length_cost(body: bytes, good_cpu_s: float) -> None:
    assert cpu_s(body) < COST_TIMES_MAX * good_cpu_s
