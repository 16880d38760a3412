"""The three operations of Amazon Personalize Events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from format_world import ask

from tapstack.collector.translation.event import MADE_UP

BASE = {"trackingId": "t", "userId": "ann", "sessionId": "s-1"}
EVENT = {"eventId": "m-1", "sentAt": 1_773_143_940.5}
OURS = {
    "event_id": "m-1", "user_id": "ann", "session_id": "s-1", "occurred_at": "2026-03-10T11:59:00.500000Z",
}  # fmt: skip
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a view": (
        {"eventType": "View", "itemId": "mug", "properties": '{"discount": 0.1}'},
        {
            "event_type": "item_view", "event_name": "View", "items": [{"item_id": "mug"}],
            "properties": {"discount": 0.1},
        },
    ),
    "a purchase that was recommended": (
        {
            "eventType": "Purchase", "itemId": "mug", "eventValue": 19, "recommendationId": "r-1",
            "impression": ["mug", "lamp"], "metricAttribution": {"eventAttributionSource": "home"},
            "properties": {"currency": "EUR"},
        },
        {
            "event_type": "purchase", "event_name": "Purchase", "items": [{"item_id": "mug"}], "value": 19.0,
            "recommendation_id": "r-1", "impressions": ["mug", "lamp"], "attribution_source": "home",
            "currency": "EUR",
        },
    ),
    "a type of its own": (
        {"eventType": "stockLow", "itemId": 7, "properties": "no JSON"},
        {
            "event_type": "custom", "event_name": "stockLow", "items": [{"item_id": "7"}],
            "properties": {"properties": "no JSON"},
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "event"), EVENTS.values(), ids=EVENTS)
def test_an_event_is_ours(said: dict[str, Any], event: dict[str, Any]) -> None:
    answer = ask("POST", "/events", {**BASE, "eventList": [{**EVENT, **said}]})
    assert (answer.status, answer.json) == (200, {})
    assert answer.event == {**OURS, **event}


def test_a_visitor_without_a_user_is_the_session() -> None:
    said = {"sessionId": "s-1", "trackingId": "t", "eventList": [{**EVENT, "eventType": "PageView"}]}
    event = ask("POST", "/events/", said).event
    assert (event["anonymous_id"], event["session_id"], event["event_type"]) == ("s-1", "s-1", "page_view")


def test_users_are_identified_and_items_kept() -> None:
    properties = json.dumps({"plan": "pro"})
    users = ask(
        "POST", "/users", {"datasetArn": "arn", "users": [{"userId": "ann", "properties": properties}]}
    )
    assert users.json == {"notes": {"0": [MADE_UP]}}
    (user,) = users.events
    assert (user.event_type, user.user_id, user.traits, user.context) == (
        "identify", "ann", {"plan": "pro"}, {"datasetArn": "arn"},
    )  # fmt: skip
    items = ask(
        "POST", "/items", {"datasetArn": "arn", "items": [{"itemId": "mug", "properties": properties}]}
    )
    (item,) = items.events
    assert (item.event_type, item.anonymous_id, item.items, item.properties) == (
        "custom", "item:mug", (), {"itemId": "mug", "properties": {"plan": "pro"}},
    )  # fmt: skip


BAD: dict[str, object] = {
    "no JSON": b"{", "no list": BASE, "an empty list": {**BASE, "eventList": []},
    "no event": {**BASE, "eventList": [7]}, "nobody's": {"eventList": [{**EVENT, "eventType": "View"}]},
}  # fmt: skip


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_sdks_read_the_kind_of_a_refusal_in_a_header(body: object) -> None:
    answer = ask("POST", "/events", body)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "InvalidInputException")
    assert answer.json["message"]
    again = ask("POST", "/events", {**BASE, "eventList": [{**EVENT, "eventType": "View"}]}, is_open=False)
    assert (again.status, again.headers["x-amzn-errortype"]) == (503, "ServiceUnavailableException")
