"""Events of PostHog's SDKs: batches, single events, forms of the browser's."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from format_world import ask, query

BASE = {"uuid": "m-1", "distinct_id": "ann", "timestamp": "2026-03-10T11:59:00Z"}
OURS = {"event_id": "m-1", "user_id": "ann", "occurred_at": "2026-03-10T11:59:00Z"}
PERSONLESS = {"$process_person_profile": False}
MADE_UP = "01a22815-13d0-70f7-a447-4f34ecee49b1"
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a view": (
        {"event": "Product Viewed", "properties": {"product_id": "mug", "price": 9.5, "$os": "Linux"}},
        {
            "event_type": "item_view", "event_name": "Product Viewed",
            "items": [{"item_id": "mug", "price": 9.5}], "properties": {"$os": "Linux"},
        },
    ),
    "a page view": (
        {
            "event": "$pageview",
            "properties": {
                "$current_url": "https://x/", "$lib": "web", "$session_id": "s-1", "token": "secret",
                "$browser_language": "de",
            },
        },
        {
            "event_type": "page_view", "event_name": "$pageview", "session_id": "s-1",
            "context": {"page": {"url": "https://x/"}, "library": {"name": "web"}, "locale": "de"},
        },
    ),
    "an identify": (
        {"event": "$identify", "$set": {"plan": "pro"}, "properties": {"$anon_distinct_id": "a-1"}},
        {
            "event_type": "identify", "event_name": "$identify", "anonymous_id": "a-1",
            "traits": {"plan": "pro"},
        },
    ),
    "another event": (
        {"event": "$autocapture", "properties": {"$el_text": "Buy"}, "offset": 3},
        {
            "event_type": "custom", "event_name": "$autocapture",
            "properties": {"$el_text": "Buy", "offset": 3},
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "event"), EVENTS.values(), ids=EVENTS)
def test_an_event_is_ours_in_a_batch_alone_in_a_form_and_in_a_query(
    said: dict[str, Any], event: dict[str, Any]
) -> None:
    whole = {**BASE, **said}
    batch = ask("POST", "/batch/", {"api_key": "secret", "batch": [whole], "sent_at": None})
    assert (batch.status, batch.json) == (200, {"status": 1})
    assert batch.event == {**OURS, **event}
    text = json.dumps({**whole, "api_key": "secret"})
    packed = base64.b64encode(text.encode()).decode()
    for path in ("/e/", "/capture/", "/i/v0/e/?ip=1"):
        assert ask("POST", path, text.encode()).data == batch.data
        assert ask("POST", path, f"[{text}]".encode(), {"content-type": "text/plain"}).data == batch.data
        assert ask("POST", path, query(data=packed).encode()).data == batch.data
        assert ask("POST", path, query(data=text, compression="none").encode()).data == batch.data
        assert ask("POST", path, gzip.compress(text.encode())).data == batch.data
    image = ask("GET", "/e/?" + query(data=packed, _="1"))
    assert (image.data, image.headers["content-type"]) == (batch.data, "image/gif")


VISITORS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "a user": ("ann", {}, {"user_id": "ann"}),
    "a user on a device": ("ann", {"$device_id": "d"}, {"user_id": "ann", "anonymous_id": "d"}),
    "a device": ("d", {"$device_id": "d"}, {"anonymous_id": "d"}),
    "who is not identified": ("a-1", {"$is_identified": False}, {"anonymous_id": "a-1"}),
    "an id that an SDK made up": (MADE_UP, PERSONLESS, {"anonymous_id": MADE_UP}),
    "a user without a profile": ("ann", PERSONLESS, {"user_id": "ann"}),
}


@pytest.mark.parametrize(("person", "properties", "ids"), VISITORS.values(), ids=VISITORS)
def test_a_person_is_a_user_unless_posthog_says_otherwise(
    person: str, properties: dict[str, Any], ids: dict[str, str]
) -> None:
    said = {**BASE, "event": "x", "distinct_id": person, "properties": properties}
    event = ask("POST", "/e/", said).event
    assert {name: event[name] for name in ("user_id", "anonymous_id") if name in event} == ids


BAD = {
    "nothing": b"", "no JSON": b"{", "a form of nothing": b"data=", "no base64": b"data=%25",
    "lines": b"1\n2", "no user": b'{"event": "x"}', "a form of no UTF-8": b"data=\xff",
}  # fmt: skip


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_a_request_of_bad_events_is_refused_for_good(body: bytes) -> None:
    answer = ask("POST", "/e/", body)
    assert answer.status == 400
    assert {"code", "message", "detail", "rejected"} == set(answer.json)
