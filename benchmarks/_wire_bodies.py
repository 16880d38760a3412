"""The default traffic's events as a request's body in each wire format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from tapstack.collector.translation import names

Event = dict[str, Any]


class Sender(NamedTuple):
    """Where a format's requests go, and how it says events."""

    path: str
    body: Callable[[Sequence[Event]], object]


def _inverted(table: Mapping[str, str]) -> dict[str, str]:
    return {ours: theirs for theirs, ours in reversed(list(table.items()))}


_SEGMENT, _GOOGLE, _SNOWPLOW = map(_inverted, (names.SEGMENT, names.GOOGLE, names.SNOWPLOW))


def _id(event: Event) -> str:
    """Return a UUID that an event always has."""
    if "client_id" not in event:
        return str(event["event_id"])
    return str(UUID(int=(UUID(event["client_id"]).int + event["n"]) % 2**128))


def _ms(event: Event) -> int:
    return int(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000)


def _properties(event: Event, items: str) -> Event:
    """Return what most formats say in one object: items, what they are worth, and the rest."""
    found = dict(event.get("properties", {}))
    found |= {name: event[name] for name in ("value", "currency", "query") if name in event}
    if event.get("items"):
        found[items] = event["items"]
    return found


def _who(event: Event, user: str, visitor: str) -> Event:
    said = {user: event.get("user_id"), visitor: event.get("anonymous_id")}
    return {name: value for name, value in said.items() if value is not None}


def _segment(events: Sequence[Event]) -> object:
    return {
        "batch": [
            {
                "type": "track",
                "event": _SEGMENT.get(event["event_type"], "Banner Shown").title(),
                "messageId": _id(event),
                "timestamp": event["occurred_at"],
                **_who(event, "userId", "anonymousId"),
                "context": event["context"],
                "properties": _properties(event, "products"),
            }
            for event in events
        ],
        "sentAt": events[-1]["occurred_at"],
        "writeKey": "key",
    }


def _snowplow(events: Sequence[Event]) -> object:
    return {
        "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
        "data": [_snowplow_event(event) for event in events],
    }


def _snowplow_event(event: Event) -> object:
    ecommerce = "iglu:com.snowplowanalytics.snowplow.ecommerce"
    action = {"type": _SNOWPLOW.get(event["event_type"], "promo_view")}
    described = {"schema": f"{ecommerce}/snowplow_ecommerce_action/jsonschema/1-0-2", "data": action}
    products = [
        {"schema": f"{ecommerce}/product/jsonschema/1-0-0", "data": {"id": item["item_id"], **item}}
        for item in event.get("items", ())
    ]
    return {
        "e": "ue",
        "eid": _id(event),
        "dtm": str(_ms(event)),
        "stm": str(_ms(event)),
        **_who(event, "uid", "duid"),
        "ua": event["context"]["user_agent"],
        "lang": event["context"]["locale"],
        "ue_pr": _text(_self_describing("unstruct_event", described)),
        "co": _text(_self_describing("contexts", products)),
    }


def _self_describing(kind: str, data: object) -> object:
    return {"schema": f"iglu:com.snowplowanalytics.snowplow/{kind}/jsonschema/1-0-0", "data": data}


def _posthog(events: Sequence[Event]) -> object:
    return {
        "api_key": "key",
        "batch": [
            {
                "event": event["event_type"],
                "uuid": _id(event),
                "distinct_id": event.get("user_id") or event["anonymous_id"],
                "timestamp": event["occurred_at"],
                "properties": {**_properties(event, "items"), "$lib": "posthog-python"},
            }
            for event in events
        ],
    }


def _personalize(events: Sequence[Event]) -> object:
    """All events of a request have one user here: as whose the service takes them."""
    return {
        "trackingId": "key",
        **_who(events[0], "userId", "userId"),
        "sessionId": events[0].get("session_id", "s"),
        "eventList": [
            {
                "eventId": _id(event),
                "eventType": event["event_type"],
                "sentAt": _ms(event) / 1000,
                **({"itemId": event["items"][0]["item_id"]} if event.get("items") else {}),
                "properties": _text(event.get("properties", {})),
            }
            for event in events
        ],
    }


def _cloudevents(events: Sequence[Event]) -> object:
    return [
        {
            "specversion": "1.0",
            "id": _id(event),
            "source": "/shop",
            "type": f"com.shop.{event['event_type']}",
            "time": event["occurred_at"],
            "data": {**_who(event, "userId", "anonymousId"), **_properties(event, "items")},
        }
        for event in events
    ]


def _google(events: Sequence[Event]) -> object:
    return {
        **_who(events[0], "user_id", "client_id"),
        "events": [
            {
                "name": _GOOGLE.get(event["event_type"], "banner_shown").replace(" ", "_"),
                "timestamp_micros": _ms(event) * 1000,
                "params": _properties(event, "items"),
            }
            for event in events
        ],
    }


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


SENDERS: Mapping[str, Sender] = {
    "native": Sender("/v1/events", list),
    "segment": Sender("/v1/batch", _segment),
    "snowplow": Sender("/com.snowplowanalytics.snowplow/tp2", _snowplow),
    "posthog": Sender("/batch/", _posthog),
    "personalize": Sender("/events", _personalize),
    "cloudevents": Sender("/v1/cloudevents", _cloudevents),
    "google": Sender("/mp/collect", _google),
}
