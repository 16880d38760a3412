"""CloudEvents: binary, structured, and in batches."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from format_world import ask

PATH = "/v1/cloudevents"
BASE = {
    "specversion": "1.0", "id": "1", "source": "/shop", "time": "2026-03-10T11:59:00Z",
    "datacontenttype": "application/json", "userid": "ann",
}  # fmt: skip
KEPT = {"specversion": "1.0", "id": "1", "source": "/shop", "datacontenttype": "application/json"}
OURS = {
    "event_id": "/shop 1", "user_id": "ann", "occurred_at": "2026-03-10T11:59:00Z", "context": KEPT,
}  # fmt: skip
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ours inside": (
        {
            "type": "com.shop.cart_add",
            "data": {"session_id": "s-1", "items": [{"item_id": "mug", "price": 9.5, "hue": 3}], "x": 1},
        },
        {
            "event_type": "cart_add", "event_name": "com.shop.cart_add", "session_id": "s-1",
            "items": [{"item_id": "mug", "price": 9.5}],
            "properties": {"items": [{"hue": 3}], "x": 1},
        },
    ),
    "Segment's inside": (
        {"type": "shop.order.completed.v1", "data": {"revenue": 9.5, "products": [{"product_id": "mug"}]}},
        {
            "event_type": "purchase", "event_name": "shop.order.completed.v1", "value": 9.5,
            "items": [{"item_id": "mug"}],
        },
    ),
    "of a type that we do not know": (
        {"type": "com.shop.stock.low", "data": {"left": 3}},
        {"event_type": "custom", "event_name": "com.shop.stock.low", "properties": {"left": 3}},
    ),
    "without data": (
        {"type": "com.shop.page_view"}, {"event_type": "page_view", "event_name": "com.shop.page_view"},
    ),
    "a user in the data": (
        {"type": "page_view", "userid": None, "data": {"user_id": "ann"}},
        {"event_type": "page_view", "event_name": "page_view"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "event"), EVENTS.values(), ids=EVENTS)
def test_an_event_is_ours_in_each_mode(said: dict[str, Any], event: dict[str, Any]) -> None:
    whole = {name: value for name, value in {**BASE, **said}.items() if value is not None}
    structured = ask("POST", PATH, whole, {"content-type": "application/cloudevents+json"})
    assert (structured.status, structured.json) == (200, {"success": True})
    assert structured.event == {**OURS, **event}
    assert ask("POST", PATH, [whole]).data == structured.data
    data = whole.pop("data", None)
    headers = {f"ce-{name}": value for name, value in whole.items()}
    body = b"" if data is None else json.dumps(data).encode()
    assert ask("POST", PATH, body, headers).data == structured.data
    if data is not None:
        packed = {**whole, "data_base64": base64.b64encode(body).decode()}
        assert ask("POST", PATH, packed).data == structured.data


def test_data_that_is_no_object_is_kept() -> None:
    for data in ("text", [1], 7):
        event = ask("POST", PATH, {**BASE, "type": "note", "data": data}).event
        assert event["properties"] == {"data": data}


@pytest.mark.parametrize(
    "missing", ["id", "source", "type", "userid"], ids=["no id", "no source", "no type", "no user"]
)
def test_an_event_without_what_it_must_have_is_refused(missing: str) -> None:
    whole = {**BASE, "type": "page_view"}
    del whole[missing]
    answer = ask("POST", PATH, [whole, {**BASE, "type": "page_view"}])
    assert (answer.status, len(answer.data)) == (200, 1)
    assert answer.json["rejected"][0]["reason"]
    assert ask("POST", PATH, whole).status == 400
