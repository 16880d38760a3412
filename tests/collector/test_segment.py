"""Calls of Segment and RudderStack, one by one and in batches."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from format_world import ask, query

from tapstack.collector.formats.segment import CALLS

AT = "2026-03-10T11:59:00.000Z"
TRACK = {"messageId": "m-1", "userId": "ann", "timestamp": AT}
OURS = {"event_id": "m-1", "user_id": "ann", "occurred_at": "2026-03-10T11:59:00Z"}
PRODUCT = {"product_id": "mug", "name": "Mug", "price": 9.5, "quantity": 2, "image_url": "https://x/1"}

EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a view": (
        {**TRACK, "type": "track", "event": "Product Viewed", "properties": {**PRODUCT, "currency": "eur"}},
        {
            **OURS, "event_type": "item_view", "event_name": "Product Viewed", "currency": "EUR",
            "items": [{"item_id": "mug", "name": "Mug", "price": 9.5, "quantity": 2}],
            "properties": {"image_url": "https://x/1"},
        },
    ),
    "an order": (
        {
            **TRACK, "type": "track", "event": "Order Completed",
            "properties": {
                "order_id": "o-1", "revenue": "19.00", "total": 21.5, "tax": 2.5, "currency": "EUR",
                "products": [PRODUCT, {"sku": "lamp", "price": 3, "coupon": None}],
            },
        },
        {
            **OURS, "event_type": "purchase", "event_name": "Order Completed", "value": 19.0,
            "currency": "EUR",
            "items": [
                {"item_id": "mug", "name": "Mug", "price": 9.5, "quantity": 2},
                {"item_id": "lamp", "price": 3.0},
            ],
            "properties": {
                "order_id": "o-1", "total": 21.5, "tax": 2.5,
                "products": [{"image_url": "https://x/1"}, {"coupon": None}],
            },
        },
    ),
    "a review": (
        {
            **TRACK, "type": "track", "event": "Product Reviewed",
            "properties": {"product_id": "mug", "rating": "4.5", "review_id": "r-1"},
        },
        {
            **OURS, "event_type": "rate", "event_name": "Product Reviewed", "value": 4.5,
            "items": [{"item_id": "mug"}], "properties": {"review_id": "r-1"},
        },
    ),
    "a rating of something else": (
        {
            **TRACK, "type": "track", "event": "Product Viewed",
            "properties": {"product_id": "mug", "rating": 5},
        },
        {
            **OURS, "event_type": "item_view", "event_name": "Product Viewed",
            "items": [{"item_id": "mug"}], "properties": {"rating": 5},
        },
    ),
    "a search": (
        {**TRACK, "type": "track", "event": "Products Searched", "properties": {"query": "blue mug"}},
        {**OURS, "event_type": "search", "event_name": "Products Searched", "query": "blue mug"},
    ),
    "an event that we do not know": (
        {**TRACK, "type": "track", "event": "Signed Up", "properties": {"plan": "pro", "value": "high"}},
        {
            **OURS, "event_type": "custom", "event_name": "Signed Up",
            "properties": {"plan": "pro", "value": "high"},
        },
    ),
    "a page": (
        {**TRACK, "type": "page", "name": "home", "category": "shop", "properties": {"url": "https://x/"}},
        {
            **OURS, "event_type": "page_view", "event_name": "home", "properties": {"url": "https://x/"},
            "context": {"category": "shop"},
        },
    ),
    "a screen": (
        {**TRACK, "type": "screen", "name": "home"},
        {**OURS, "event_type": "page_view", "event_name": "home", "context": {"call": "screen"}},
    ),
    "a screen that says what we say of it": (
        {**TRACK, "type": "screen", "call": "mine"},
        {**OURS, "event_type": "page_view", "context": {"call": "mine", "call_": "screen"}},
    ),
    "an identify": (
        {**TRACK, "type": "identify", "anonymousId": "a-1", "traits": {"plan": "pro"}},
        {**OURS, "event_type": "identify", "anonymous_id": "a-1", "traits": {"plan": "pro"}},
    ),
    "a group": (
        {**TRACK, "type": "group", "groupId": "g-1", "traits": {"employees": 3}},
        {
            **OURS, "event_type": "custom", "event_name": "group", "context": {"call": "group"},
            "properties": {"groupId": "g-1", "traits": {"employees": 3}},
        },
    ),
    "an alias": (
        {**TRACK, "type": "alias", "previousId": "a-1"},
        {
            **OURS, "event_type": "custom", "event_name": "alias", "context": {"call": "alias"},
            "properties": {"previousId": "a-1"},
        },
    ),
    "nulls and empty ids": (
        {**TRACK, "type": "page", "anonymousId": None, "name": "", "context": None, "integrations": {}},
        {**OURS, "event_type": "page_view"},
    ),
    "ids that are numbers": (
        {**TRACK, "type": "track", "event": "Product Viewed", "userId": 7, "properties": {"product_id": 8}},
        {
            **OURS, "event_type": "item_view", "event_name": "Product Viewed", "user_id": "7",
            "items": [{"item_id": "8"}],
        },
    ),
    "context": (
        {
            **TRACK, "type": "page", "channel": "web", "integrations": {"All": True},
            "context": {"locale": "de-DE", "sessionId": 12, "consent": {"ads": False}, "channel": "x"},
        },
        {
            **OURS, "event_type": "page_view", "session_id": "12", "consent": {"ads": False},
            "context": {"locale": "de-DE", "channel": "x", "channel_": "web", "integrations": {"All": True}},
        },
    ),
    "a time that the caller says, beside when RudderStack's SDK was called": (
        {**TRACK, "type": "page", "originalTimestamp": "2026-03-10T12:30:00Z"},
        {**OURS, "event_type": "page_view", "context": {"originalTimestamp": "2026-03-10T12:30:00Z"}},
    ),
    "when RudderStack's SDK was called, if the caller says no time": (
        {**TRACK, "type": "page", "timestamp": None, "originalTimestamp": AT},
        {**OURS, "event_type": "page_view"},
    ),
    "traits where RudderStack's browsers put them": (
        {**TRACK, "type": "identify", "context": {"traits": {"plan": "pro"}, "locale": "de"}},
        {**OURS, "event_type": "identify", "traits": {"plan": "pro"}, "context": {"locale": "de"}},
    ),
    "traits in both places": (
        {**TRACK, "type": "identify", "traits": {"plan": "pro"}, "context": {"traits": {"plan": "old"}}},
        {**OURS, "event_type": "identify", "traits": {"plan": "pro"}, "context": {"traits": {"plan": "old"}}},
    ),
    "traits beside a page stay in its context": (
        {**TRACK, "type": "page", "context": {"traits": {"plan": "pro"}}},
        {**OURS, "event_type": "page_view", "context": {"traits": {"plan": "pro"}}},
    ),
    "a time without a zone": (
        {**TRACK, "type": "page", "timestamp": "2026-03-10 11:59:00"},
        {**OURS, "event_type": "page_view"},
    ),
    "when it was sent": (
        {**TRACK, "type": "page", "sentAt": "2026-03-10T12:00:00Z", "writeKey": "secret"},
        {**OURS, "event_type": "page_view", "sent_at": "2026-03-10T12:00:00Z"},
    ),
    "a product without an id": (
        {**TRACK, "type": "track", "event": "Product Viewed", "properties": {"name": "Mug"}},
        {**OURS, "event_type": "custom", "event_name": "Product Viewed", "properties": {"name": "Mug"}},
    ),
    "what does not fit": (
        {
            **TRACK, "type": "track", "event": "Product Viewed",
            "properties": {"product_id": "mug", "name": "x" * 300, "price": "12,50", "currency": "euro"},
        },
        {
            **OURS, "event_type": "item_view", "event_name": "Product Viewed", "currency": "XXX",
            "items": [{"item_id": "mug"}],
            "properties": {
                "unread": {"currency": "euro", "items[0].name": "x" * 300, "items[0].price": "12,50"},
            },
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "event"), EVENTS.values(), ids=EVENTS)
def test_a_call_is_our_event_alone_and_in_a_batch(call: dict[str, Any], event: dict[str, Any]) -> None:
    alone = ask("POST", f"/v1/{call['type']}", {key: value for key, value in call.items() if key != "type"})
    assert (alone.status, alone.json["success"]) == (200, True)
    assert alone.event == event
    assert ask("POST", f"/v1/{call['type'][0]}/", call).data == alone.data
    for path in ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch?writeKey=k"):
        assert ask("POST", path, {"batch": [call], "writeKey": "secret"}).data == alone.data


def test_every_call_has_an_example() -> None:
    assert {call["type"] for call, _ in EVENTS.values()} == set(CALLS)


def test_a_batch_says_for_all_of_its_calls_when_it_was_sent_and_from_where() -> None:
    calls = [{**TRACK, "type": "page", "messageId": f"m-{n}", "context": {"n": n}} for n in range(2)]
    batch = {"batch": calls, "context": {"ip": "1.2.3.4", "n": 9}, "sentAt": "2026-03-10T12:00:00Z"}
    events = ask("POST", "/v1/batch", batch).events
    assert [event.context for event in events] == [{"ip": "1.2.3.4", "n": n} for n in range(2)]
    assert {event.sent_at and event.sent_at.isoformat() for event in events} == {"2026-03-10T12:00:00+00:00"}


PIXELS = {
    "Segment's": "/v1/pixel/track?"
    + query(data=base64.b64encode(json.dumps(EVENTS["a view"][0]).encode()).decode()),
    "RudderStack's": "/pixel/v1/track?"
    + query(
        writeKey="k", messageId="m-1", userId="ann", timestamp=AT, event="Product Viewed",
        properties=json.dumps({**PRODUCT, "currency": "eur"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("target", PIXELS.values(), ids=PIXELS)
def test_a_pixel_is_a_call_and_answered_with_an_image(target: str) -> None:
    answer = ask("GET", target)
    assert answer.event == EVENTS["a view"][1]
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert (answer.body[:6], len(answer.body)) == (b"GIF89a", 43)
    assert ask("HEAD", target).data == []


def test_a_bad_call_is_reported_and_the_others_are_counted() -> None:
    bad = [7, {"type": "track"}, {"type": "buy", "userId": "ann"}, {"type": "page", "messageId": "m-2"}]
    answer = ask("POST", "/v1/batch", {"batch": [*bad, EVENTS["a page"][0]]})
    assert answer.status == 200
    reason = {"field": "user_id", "reason": "user_id or anonymous_id is required"}
    assert answer.json == {
        "success": True,
        "rejected": [
            {"index": 0, "reason": "expected a JSON object"},
            {"index": 1, **reason},
            {"index": 2, "field": "type", "reason": f"expected one of {', '.join(CALLS)}"},
            {"index": 3, **reason},
        ],
    }
    assert len(answer.data) == 1


def test_a_request_of_bad_calls_alone_is_refused_for_good() -> None:
    answer = ask("POST", "/v1/batch", {"batch": [{"type": "page"}]})
    assert (answer.status, answer.json["code"]) == (400, "invalid_events")
    assert answer.json["message"] == "user_id: user_id or anonymous_id is required"


def test_a_batch_that_is_no_array_is_refused_by_its_name() -> None:
    answer = ask("POST", "/v1/batch", {"batch": {"type": "page"}})
    assert (answer.status, answer.json["message"]) == (400, "batch: expected an array or null, got an object")


def test_analytics_js_is_told_where_to_send() -> None:
    headers = {"host": "tap.internal", "x-forwarded-proto": "http"}
    answer = ask("GET", "/v1/projects/my-key/settings", headers=headers)
    assert answer.json["integrations"]["Segment.io"] == {
        "apiKey": "my-key", "apiHost": "tap.internal/v1", "protocol": "http",
    }  # fmt: skip
    assert ask("GET", "/sourceConfig/?p=web").json["source"]["enabled"] is True
    assert ask("POST", "/v1/m", {"series": []}).json == {"success": True}
