"""What holds of every wire format, whatever a request says: nothing is dropped, nothing is raised."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from format_world import KEY, Answered, ask, query
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import JSON_VALUES
from examples import share
from tapstack.collector.formats import FORMATS
from tapstack.collector.translation.items import ITEM_FIELDS, VALUE_FIELDS
from tapstack.collector.translation.names import GOOGLE, PERSONALIZE, POSTHOG, SEGMENT
from tapstack.collector.wire_format import Format

COMPATIBLE = [each for each in FORMATS if each.NAME != "native"]
NAMES = sorted({*SEGMENT, *GOOGLE, *PERSONALIZE, *POSTHOG})
WORDS = sorted(
    {
        *(name.rpartition(".")[2] for each in COMPATIBLE for name in each.FIELDS),
        *ITEM_FIELDS, *(name.rpartition(".")[2] for name in VALUE_FIELDS),
        "products", "items", "properties", "context", "traits", "type", "event", "batch", "data",
        "eventList", "events", "params", "user_properties", "users", "e", "ue_pr", "co", "schema",
        "$set", "specversion", "unread", "",
    }
)  # fmt: skip
TIMES = st.sampled_from(["2026-03-10T11:59:00Z", "2026-03-10", "1773143940000", 1773143940.5, 0, "noon"])
VALUES = (
    JSON_VALUES
    | TIMES
    | st.sampled_from([*NAMES, "ann", "item-1", "null", "track", "page", "ue", "se", "pv", "tr", "ti", "1.0"])
)
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6),
    lambda inner: st.dictionaries(st.sampled_from(WORDS), inner | st.lists(inner, max_size=3), max_size=4),
    max_leaves=5,
)
WRAPPERS = ("batch", "data", "events", "eventList", "users", "items", "")


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bodies that look like those of some format, and some that look like nothing."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
    events = draw(st.lists(OBJECTS | VALUES, max_size=4))
    wrapper = draw(st.sampled_from(WRAPPERS))
    shared = draw(OBJECTS)
    said: Any = {**shared, wrapper: events} if wrapper else draw(st.sampled_from([events, shared]))
    text = json.dumps(said, allow_nan=True)
    return (text if draw(st.booleans()) else text.replace('"ann"', r'"\ud83d"', 1)).encode()


def check(answer: Answered) -> None:
    """Each event has a fate, the good ones are on the stream, and the status is one that SDKs know."""
    assert answer.status in {200, 400}
    for result in answer.results:
        assert result.status in {"ok", "duplicate", "invalid"}
        assert bool(result.reason) == (result.status == "invalid")
    assert len(answer.data) == sum(result.status == "ok" for result in answer.results)


@pytest.mark.parametrize("spoken", FORMATS, ids=lambda spoken: spoken.NAME)
@share(3)
@given(data=st.data(), body=bodies(), params=OBJECTS)
def test_whatever_a_request_says_each_of_its_events_is_stored_or_refused_with_a_reason(
    spoken: Format, data: st.DataObject, body: bytes, params: Mapping[str, Any]
) -> None:
    route = data.draw(st.sampled_from(spoken.ROUTES))
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
    texts = {name: text.encode(errors="replace").decode() for name, text in texts.items()}
    target = route.path.replace("*", "any") + "?" + query(**texts)
    for method in route.methods:
        check(ask(method, target, body))
        packed = {"data": base64.b64encode(body).decode()}
        check(ask(method, f"{route.path.replace('*', 'any')}?{query(**packed)}", b"", KEY))


@pytest.mark.parametrize("spoken", COMPATIBLE, ids=lambda spoken: spoken.NAME)
@share(1)
@given(data=st.data(), body=bodies())
def test_what_nothing_takes_makes_the_sender_try_again(
    spoken: Format, data: st.DataObject, body: bytes
) -> None:
    route = data.draw(st.sampled_from(spoken.ROUTES))
    answer = ask(route.methods[0], route.path.replace("*", "any"), body, is_open=False)
    waiting = [result for result in answer.results if result.status == "retry"]
    assert (answer.status == 503) == bool(waiting)
    if waiting:
        assert answer.headers["retry-after"] == "1"
        assert {"code", "message"} <= set(answer.json)


# An event of each format that is valid, and how a request says it.
Said = dict[str, Any]
VALID: Mapping[str, tuple[Said, Callable[[Said], tuple[str, str, Any]]]] = {
    "segment": (
        {"type": "track", "event": "Product Viewed", "userId": "ann", "messageId": "m"},
        lambda said: ("POST", "/v1/batch", {"batch": [said]}),
    ),
    "snowplow": (
        {"e": "pv", "uid": "ann", "eid": "m"},
        lambda said: ("POST", "/com.snowplowanalytics.snowplow/tp2", {"data": [said]}),
    ),
    "posthog": (
        {"event": "Product Viewed", "distinct_id": "ann", "uuid": "m"},
        lambda said: ("POST", "/batch/", {"batch": [said]}),
    ),
    "personalize": (
        {"eventType": "View", "userId": "ann", "eventId": "m"},
        lambda said: ("POST", "/events", {"eventList": [said]}),
    ),
    "cloudevents": (
        {"specversion": "1.0", "id": "m", "source": "shop", "type": "shop.item_view", "userid": "ann"},
        lambda said: ("POST", "/v1/cloudevents", [said]),
    ),
    "google": (
        {"name": "view_item", "client_id": "ann"},
        lambda said: (
            "POST",
            "/mp/collect",
            {"client_id": said["client_id"], "events": [without(said, "client_id")]},
        ),
    ),
}


def without(said: Said, name: str) -> Said:
    return {key: value for key, value in said.items() if key != name}


NOT_READ = {
    "a number beyond 64 bits": "1e999",
    "nested too deep": "[" * 200 + "]" * 200,
    "half a character": r'{"a": "\ud83d", "b": 1e999}',
}


@pytest.mark.parametrize("text", NOT_READ.values(), ids=NOT_READ)
@pytest.mark.parametrize("spoken", COMPATIBLE, ids=lambda spoken: spoken.NAME)
def test_an_event_that_cannot_be_read_is_refused_alone(spoken: Format, text: str) -> None:
    valid, request = VALID[spoken.NAME]
    method, path, body = request({**valid, "x": "here"})
    events = (
        body if isinstance(body, list) else next(each for each in body.values() if isinstance(each, list))
    )
    events[:] = [without(events[0], "x"), events[0], without(events[0], "x")]
    answer = ask(method, path, json.dumps(body).replace('"here"', text).encode())
    assert [result.status == "invalid" for result in answer.results] == [False, True, False]
    (letter,) = answer.kept
    assert text[-5:].encode() in letter.data


KEYS = {"writeKey", "api_key", "token", "api_secret"}  # which no record holds


@st.composite
def marked(draw: st.DrawFn, depth: int = 0) -> Any:
    """A value whose strings and numbers are found again."""
    kind = draw(st.integers(0, 5 if depth < 3 else 2))
    if kind <= 1:
        return f"mark-{draw(st.integers(0, 10**9))}-"
    if kind == 2:
        return draw(st.integers(10**18, 9 * 10**18))  # no time, no price
    if kind == 3:
        return [draw(marked(depth=depth + 1)) for _ in range(draw(st.integers(1, 2)))]
    names = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True))
    return {name: draw(marked(depth=depth + 1)) for name in names if name not in KEYS}


def marks(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from marks(each)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


@pytest.mark.parametrize("spoken", COMPATIBLE, ids=lambda spoken: spoken.NAME)
@share(4)
@given(data=st.data())
def test_nothing_that_an_event_says_is_dropped(spoken: Format, data: st.DataObject) -> None:
    valid, request = VALID[spoken.NAME]
    names = [*(name.partition(".")[0] for name in spoken.FIELDS), *WORDS]
    more = data.draw(st.dictionaries(st.sampled_from(names), marked(), max_size=4))
    # What "co" packs must be readable, or else Snowplow's event is refused.
    said = {name: value for name, value in {**more, **valid}.items() if name not in {*KEYS, "co"}}
    answer = ask(*request(said))
    assert [result.status for result in answer.results] == ["ok"]
    stored = answer.data[0].decode()
    for name in said.keys() - valid.keys():
        for mark in marks(said[name]):
            assert mark in stored, (mark, said, stored)
