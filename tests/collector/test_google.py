"""Events of Google's Measurement Protocol."""

from __future__ import annotations

from typing import Any

import pytest
from format_world import ask

from tapstack.collector.translation.event import MADE_UP

PATH = "/mp/collect?measurement_id=G-1&api_secret=secret"
BASE = {"client_id": "1.2", "user_id": "ann", "timestamp_micros": "1773143940000000"}
OURS = {"user_id": "ann", "anonymous_id": "1.2", "occurred_at": "2026-03-10T11:59:00Z"}
CONTEXT = {"measurement_id": "G-1"}
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a purchase": (
        {
            "name": "purchase",
            "params": {
                "transaction_id": "o-1", "value": 19, "currency": "EUR", "session_id": 12,
                "items": [
                    {"item_id": "mug", "item_name": "Mug", "price": 9.5, "quantity": 2, "index": 0, "x": 1},
                ],
            },
        },
        {
            "event_type": "purchase", "event_name": "purchase", "value": 19.0, "currency": "EUR",
            "session_id": "12", "context": CONTEXT,
            "items": [{"item_id": "mug", "name": "Mug", "price": 9.5, "quantity": 2, "position": 0}],
            "properties": {"transaction_id": "o-1", "items": [{"x": 1}]},
        },
    ),
    "a search": (
        {"name": "search", "params": {"search_term": "mug", "page_location": "https://x/"}},
        {
            "event_type": "search", "event_name": "search", "query": "mug",
            "context": {"page": {"url": "https://x/"}, **CONTEXT},
        },
    ),
    "an event that we do not know, at its own time": (
        {"name": "tutorial_begin", "timestamp_micros": 1773143880000000},
        {
            "event_type": "custom", "event_name": "tutorial_begin", "occurred_at": "2026-03-10T11:58:00Z",
            "context": {"timestamp_micros": "1773143940000000", **CONTEXT},
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "event"), EVENTS.values(), ids=EVENTS)
def test_an_event_is_ours(said: dict[str, Any], event: dict[str, Any]) -> None:
    answer = ask("POST", PATH, {**BASE, "events": [said]})
    assert (answer.status, answer.json) == (200, {"success": True})
    assert b"secret" not in answer.data[0]
    found = answer.event
    assert len(found.pop("event_id")) == 32
    assert found == {**OURS, **event}
    assert ask("POST", PATH, {**BASE, "events": [said]}).data == answer.data


def test_what_a_request_says_of_a_user_is_every_events() -> None:
    said = {
        **BASE, "user_properties": {"plan": {"value": "pro"}}, "consent": {"ad_user_data": "DENIED"},
        "events": [{"name": "page_view"}, {"name": "login", "user_properties": {"plan": {"value": "free"}}}],
    }  # fmt: skip
    first, second = ask("POST", PATH, said).events
    assert (first.traits, first.consent) == ({"plan": "pro"}, {"ad_user_data": "DENIED"})
    assert second.traits == {"plan": "free"}


def test_two_events_without_a_time_are_two_events_and_the_answer_says_so() -> None:
    answer = ask("POST", PATH, {"client_id": "1.2", "events": [{"name": "page_view"}] * 2})
    assert answer.json == {"success": True, "notes": {"0": [MADE_UP], "1": [MADE_UP]}}
    assert len(answer.data) == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"events": []}', b'{"events": [7]}'], ids=str)
def test_a_request_without_events_is_refused_for_good(body: bytes) -> None:
    assert ask("POST", PATH, body).status == 400
