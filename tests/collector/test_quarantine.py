"""Refused events: kept as they were sent, with the reason, before the answer; one object a request."""

from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import parse_qsl, urlencode

import pytest
from format_world import ask, query

from collectors import failing_bucket
from event_strategies import NOON_S, client_event
from tapstack.collector.bodies import EVENTS_MAX
from tapstack.collector.formats import FORMATS
from tapstack.collector.objects import ATTEMPTS_MAX
from tapstack.collector.translation.reading import from_base64
from tapstack.dead_letters import request_key
from tapstack_emulator import MemoryBucket

SNOWPLOW = "/com.snowplowanalytics.snowplow/tp2"
NOON = "2026-03-10T12:00:00Z"
GOOD_CALL = {"type": "track", "event": "x", "userId": "u", "messageId": "m", "timestamp": NOON}
GOOD_PARAMETERS = {"e": "pv", "uid": "u", "eid": "e", "dtm": "1773143999000"}
GOOD_CLOUD_EVENT = {"id": "1", "source": "s", "type": "view", "userid": "u", "time": NOON}
# A request of three events by path, the second of nobody or without its type; and what is kept of that one.
REFUSED: dict[str, tuple[str, object, object]] = {
    "native": (
        "/v1/events",
        [client_event(), {"event_type": "search", "event_id": "b"}, client_event(event_id="c")],
        {"event_type": "search", "event_id": "b"},
    ),
    "native, a line each": (
        "/v1/events",
        b"\n".join([json.dumps(client_event()).encode(), b'{"event_type":tru}', b" {} "]),
        b'{"event_type":tru}',
    ),
    "segment": (
        "/v1/batch",
        {
            "batch": [GOOD_CALL, {"type": "track", "event": "y"}, GOOD_CALL],
            "sentAt": NOON,
            "context": {"a": 1},
        },
        {"batch": [{"type": "track", "event": "y"}], "sentAt": NOON, "context": {"a": 1}},
    ),
    "snowplow": (
        SNOWPLOW,
        {"schema": "iglu:a", "data": [GOOD_PARAMETERS, {"e": "pv", "eid": "f"}, GOOD_PARAMETERS]},
        {"schema": "iglu:a", "data": [{"e": "pv", "eid": "f"}]},
    ),
    "posthog": (
        "/batch/",
        {
            "api_key": "k",
            "batch": [
                {"event": "x", "distinct_id": "u", "timestamp": NOON},
                {"event": "y"},
                {"event": "z", "distinct_id": "u", "timestamp": NOON},
            ],
        },
        {"api_key": "", "batch": [{"event": "y"}]},
    ),
    "posthog, an array": (
        "/e/",
        [{"event": "x", "distinct_id": "u", "timestamp": NOON}, {"event": "y"}, {"event": "z"}],
        {"event": "y"},
    ),
    "personalize": (
        "/events",
        {"trackingId": "t", "sessionId": "s", "userId": "u", "eventList": [
            {"eventId": "1", "eventType": "view", "sentAt": 1773143999}, 7,
            {"eventId": "2", "eventType": "view", "sentAt": 1773143999}]},
        {"trackingId": "", "sessionId": "s", "userId": "u", "eventList": [7]},
    ),
    "cloudevents": (
        "/v1/cloudevents",
        [GOOD_CLOUD_EVENT, {"id": "2", "source": "s"}, {**GOOD_CLOUD_EVENT, "id": "3"}],
        {"id": "2", "source": "s"},
    ),
    "google": (
        "/mp/collect?measurement_id=G-1&api_secret=secret",
        {"client_id": "u", "timestamp_micros": 1773143999000000, "events": [{"name": "x"}, 7, {"name": "y"}]},
        {"measurement_id": "G-1", "client_id": "u", "timestamp_micros": 1773143999000000, "events": [7]},
    ),
}  # fmt: skip


def as_kept(kept: object) -> object:
    return kept if isinstance(kept, bytes) else json.dumps(kept, sort_keys=True)


def as_said(data: bytes) -> object:
    try:
        return json.dumps(json.loads(data), sort_keys=True)
    except ValueError:
        return data


@pytest.mark.parametrize(("target", "body", "kept"), REFUSED.values(), ids=REFUSED)
def test_a_refused_event_is_kept_with_its_reason_and_what_its_request_says_once(
    target: str, body: object, kept: object
) -> None:
    answer = ask("POST", target, body)
    assert answer.status == 200
    assert len(answer.quarantine) == 1
    letter = next(letter for letter in answer.kept if letter.index == 1)
    assert as_said(letter.data) == as_kept(kept)
    assert letter.detail.endswith(str(answer.results[1].reason))
    assert (letter.reason, letter.arrived_at_s) in {("invalid_event", NOON_S), ("not_json", NOON_S)}
    refused = [position for position, each in enumerate(answer.results) if each.status == "invalid"]
    assert [each.index for each in answer.kept] == refused
    assert b"secret" not in b"".join(answer.quarantine.values())
    assert request_key(letter) in answer.quarantine


@pytest.mark.parametrize(("target", "body", "kept"), REFUSED.values(), ids=REFUSED)
def test_what_is_kept_is_taken_by_its_path_and_refused_for_the_same_reason(
    target: str, body: object, kept: object
) -> None:
    letter = ask("POST", target, body).kept[0]
    again = ask("POST", letter.path, letter.data)
    assert [result.status for result in again.results] == ["invalid"]
    assert (again.kept[0].data, again.kept[0].reason) == (letter.data, letter.reason)
    assert again.kept[0].detail.split(",")[0] == letter.detail.split(",")[0]  # but for the byte


ALONE: dict[str, tuple[str, str, object, dict[str, str], bytes]] = {
    "a call": ("POST", "/v1/track", b'{"event": "x"}', {}, b'{"event": "x"}'),
    "a pixel": ("GET", "/i?" + query(e="pv", page="a b"), None, {}, b"e=pv&page=a+b"),
    "Segment's pixel": ("GET", "/v1/pixel/track?data=e30%3D", None, {}, b"data=e30%3D"),
    "a form": ("POST", "/e", b"data=" + base64.b64encode(b'{"event":"x"}'), {}, b'{"event":"x"}'),
    "an event in headers": (
        "POST",
        "/v1/cloudevents",
        b'{"a":1}',
        {"ce-id": "1", "ce-type": "view"},
        b'{"id":"1","type":"view","data":{"a":1}}',
    ),
}


@pytest.mark.parametrize(("method", "target", "body", "headers", "kept"), ALONE.values(), ids=ALONE)
def test_an_event_that_is_a_request_is_kept_as_it_was_said(
    method: str, target: str, body: object, headers: dict[str, str], kept: bytes
) -> None:
    answer = ask(method, target, body, headers)
    assert [letter.data for letter in answer.kept] == [kept]


UNREADABLE = b'{"batch": [{"userId":'
EVERYWHERE = (
    "/v1/events", "/v1/batch", SNOWPLOW, "/batch/", "/events", "/v1/cloudevents", "/mp/collect",
)  # fmt: skip


@pytest.mark.parametrize("path", EVERYWHERE)
def test_a_request_that_cannot_be_split_is_kept_whole(path: str) -> None:
    answer = ask("POST", path, UNREADABLE)
    (letter,) = answer.kept
    assert letter.data == UNREADABLE
    assert (letter.reason, letter.index) in {("unreadable", 0), ("invalid_event", 0), ("not_json", 0)}
    assert [result.status for result in answer.results] == ["invalid"]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_more_events_than_a_request_may_have_are_kept_whole(path: str) -> None:
    name = {"/v1/batch": "batch", SNOWPLOW: "data", "/batch/": "batch", "/events": "eventList"}.get(path)
    events = [{}] * (EVENTS_MAX + 1)
    body = json.dumps({name: events} if name else {"events": events} if "mp" in path else events).encode()
    (letter,) = ask("POST", path, body).kept
    assert (letter.data, letter.reason) == (body, "unreadable")


COMPRESSED = gzip.compress(UNREADABLE)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(COMPRESSED, UNREADABLE), (COMPRESSED[:-9], COMPRESSED[:-9]), (gzip.compress(b" " * 2_000_000), None)],
    ids=["whole", "cut off", "more than a body may have"],
)
@pytest.mark.parametrize("path", ["/v1/events", "/v1/batch"])
def test_a_body_is_kept_decompressed_or_else_as_it_was_sent(
    path: str, sent: bytes, kept: bytes | None
) -> None:
    answer = ask("POST", path, sent, {"content-encoding": "gzip"})
    assert answer.status == 400
    assert [letter.data for letter in answer.kept] == [sent if kept is None else kept]


@pytest.mark.parametrize(("method", "target"), [*(("POST", path) for path in EVERYWHERE), ("GET", "/i")])
def test_a_request_that_says_nothing_leaves_nothing_to_keep(method: str, target: str) -> None:
    answer = ask(method, target, b"")
    assert answer.quarantine == {}
    assert [result.status for result in answer.results] == ["invalid"]


# Write keys: whoever may read the letters may not send in their senders' names.

KEY = "tops3cret"
CALL = {"event": "y", "token": KEY, "api_key": KEY}


def packed(said: object) -> str:
    return base64.b64encode(json.dumps(said).encode()).decode()


HOLDS_KEY: dict[str, tuple[str, str, object]] = {
    "native": ("POST", f"/v1/events?writeKey={KEY}", [{"a": 1}]),
    "segment": ("POST", "/v1/batch", {"writeKey": KEY, "batch": [{"event": "y", "writeKey": KEY}]}),
    "segment, a call": ("POST", "/v1/track", {"event": "y", "writeKey": KEY}),
    "segment, a pixel": ("GET", f"/v1/pixel/track?event=y&writeKey={KEY}", None),
    "segment, a packed pixel": (
        "GET", f"/v1/pixel/track?{query(data=packed({'event': 'y', 'writeKey': KEY}))}", None
    ),
    "segment, a letter escaped": ("POST", "/v1/track", b'{"event":"y","write\\u004Bey" : "tops3cret"}'),
    "segment, more than can stand beside each": (
        "POST", "/v1/batch", {"writeKey": KEY, "junk": "j" * 900_000, "batch": [{}] * 10}
    ),
    "snowplow": ("POST", SNOWPLOW + f"?api_key={KEY}", {"data": [{"e": "pv"}]}),
    "snowplow, a pixel": ("GET", f"/i?e=pv&write_key={KEY}", None),
    "posthog": ("POST", "/batch/", {"api_key": KEY, "batch": [{"event": "y", "properties": {"token": KEY}}]}),
    "posthog, an array": ("POST", "/e/", [CALL, {"event": "y", "properties": {"token": KEY}}]),
    "posthog, a form": ("POST", "/e/", urlencode({"data": packed(CALL)}).encode()),
    "posthog, a query": ("GET", f"/e/?{query(data=packed(CALL), api_key=KEY)}", None),
    "personalize": ("POST", "/events", {"trackingId": KEY, "eventList": [7]}),
    "cloudevents": ("POST", f"/v1/cloudevents?client_key={KEY}", {"id": "1"}),
    "google": ("POST", f"/mp/collect?api_secret={KEY}", {"api_secret": KEY, "events": [7]}),
}  # fmt: skip


@pytest.mark.parametrize(("method", "target", "body"), HOLDS_KEY.values(), ids=HOLDS_KEY)
def test_no_letter_holds_a_write_key(method: str, target: str, body: object) -> None:
    letters = ask(method, target, body).kept
    assert letters
    for letter in letters:
        kept = dict(parse_qsl(letter.data.decode()))
        assert KEY.encode() not in letter.data + from_base64(kept.get("data", ""))


def test_every_format_is_asked_for_its_keys() -> None:
    assert {name.partition(",")[0] for name in HOLDS_KEY} == {spoken.NAME for spoken in FORMATS}


CUT = b'{"batch": [{"event": 1e999, "writeKey": "%s"}], "context": "\\"", "writeKey": "%s' % (
    b"a",
    b"tops3cr",
)


def test_a_body_that_ends_in_its_key_is_kept_without_it() -> None:
    (letter,) = ask("POST", "/v1/batch", CUT).kept
    assert letter.data == (b'{"batch": [{"event": 1e999, "writeKey": ""}], "context": "\\"", "writeKey": ""')


def test_a_form_of_too_many_events_is_kept_without_its_keys() -> None:
    events = [CALL] * (EVENTS_MAX + 1)
    (letter,) = ask("POST", "/e/", urlencode({"data": packed(events)}).encode()).kept
    kept = json.loads(base64.b64decode(dict(parse_qsl(letter.data.decode()))["data"]))
    assert kept == [{**CALL, "token": "", "api_key": ""}] * (EVENTS_MAX + 1)


def test_what_another_format_calls_its_key_is_kept() -> None:
    said = {"event_type": "search", "properties": {"token": "t", "writeKey": "w", "api_key": "a"}}
    (letter,) = ask("POST", "/v1/events", said).kept
    assert json.loads(letter.data) == said


# What S3 does not take.


def test_a_bucket_that_fails_for_a_moment_is_asked_again() -> None:
    answer = ask("POST", "/v1/events", [{"a": 1}], bucket=failing_bucket(ATTEMPTS_MAX - 1))
    assert (answer.status, len(answer.kept)) == (400, 1)


@pytest.mark.parametrize(("target", "body", "kept"), REFUSED.values(), ids=REFUSED)
def test_what_the_bucket_does_not_take_is_to_be_sent_again(target: str, body: object, kept: object) -> None:
    answer = ask("POST", target, body, bucket=failing_bucket())
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json["code"]
    usual = ask("POST", target, body)
    wanted = ["retry" if each.status == "invalid" else each.status for each in usual.results]
    assert [each.status for each in answer.results] == wanted
    assert len(answer.data) == len(usual.data)
    assert answer.kept == []


@pytest.mark.parametrize("path", EVERYWHERE)
def test_what_cannot_be_split_and_is_not_taken_by_the_bucket_is_to_be_sent_again(path: str) -> None:
    answer = ask("POST", path, UNREADABLE, bucket=failing_bucket())
    assert (answer.status, answer.json["code"]) == (503, "unavailable")


# What a hostile sender can make of it.

OBJECT_BYTES_MAX = 16_000_000


def shared(name: str, shared_bytes: int, count: int = EVENTS_MAX) -> bytes:
    return json.dumps({name: [{"e": "x"}] * count, "junk": "j" * shared_bytes}).encode()


HOSTILE: dict[str, tuple[str, bytes]] = {
    "many events": ("/v1/events", b"[" + b",".join([b"[]"] * EVENTS_MAX) + b"]"),
    "large events": ("/v1/events", json.dumps([{"a": "x" * 40_000}] * 24).encode()),
    "much that is shared": ("/v1/batch", shared("batch", 900_000)),
    "as much that is shared as may be repeated": (SNOWPLOW, shared("data", 3_300)),
    "a large event": (SNOWPLOW, shared("data", 980_000, 1)),
}


@pytest.mark.parametrize(("path", "body"), HOSTILE.values(), ids=HOSTILE)
def test_a_request_makes_one_object_of_bounded_size(path: str, body: bytes) -> None:
    answer = ask("POST", path, body)
    assert all(result.status == "invalid" for result in answer.results)
    ((key, stored),) = answer.quarantine.items()
    assert len(stored) < OBJECT_BYTES_MAX
    assert len(key) < 100


def test_no_two_requests_share_an_object() -> None:
    bucket = MemoryBucket()
    for _ in range(3):
        ask("POST", "/v1/events", [{"a": 1}], bucket=bucket)
    assert len(bucket.objects) == 3
