"""Amazon Personalize Events: PutEvents, PutItems and PutUsers, as the AWS SDKs send them.

Read 2026-11-29: https://docs.aws.amazon.com/personalize/latest/dg/API_UBS_PutEvents.html and its neighbours;
boto3's request was recorded (tests/collector/recorded/). Signatures are not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from tapstack.collector.intake import Incoming, Result, Translated
from tapstack.collector.translation import names, times
from tapstack.collector.translation.alone import each_alone
from tapstack.collector.translation.event import translate
from tapstack.collector.translation.fields import Fields, Object, keep_rest
from tapstack.collector.translation.items import as_id
from tapstack.collector.translation.reading import member, read_listed, read_object, refused, shared_bytes
from tapstack.collector.translation.replies import json_reply
from tapstack.collector.wire_format import Limits, Route
from tapstack.errors import InvalidEvent
from tapstack.http import BadRequest, Request, Response

NAME = "personalize"
ROUTES = (Route("/events"), Route("/items"), Route("/users"))
FIELDS: Mapping[str, str] = {
    "eventId": "event_id",
    "userId": "user_id",
    "sessionId": "session_id",
    "sentAt": "occurred_at",
    "eventType": "event_name",
    "eventValue": "value",
    "recommendationId": "recommendation_id",
    "impression": "impressions",
    "metricAttribution.eventAttributionSource": "attribution_source",
    "properties": "properties",
}
KEYS = ("trackingId",)
_LISTS = {"events": "eventList", "items": "items", "users": "users"}  # by the operation's path
_fields = Fields({name: ours for name, ours in FIELDS.items() if name != "properties"})


def parse(request: Request, limits: Limits) -> Sequence[Incoming]:
    """Translate the list of an operation; see `tapstack.collector.wire_format.Format`."""
    try:
        name = _LISTS[request.path[0]]
        said, told = read_listed(request.body(limits.body_bytes), name)
        if not told:
            return [InvalidEvent(name, "expected an array of at least one")]
        said = {name: value for name, value in said.items() if name not in KEYS}
        size = shared_bytes(said, len(told))
        return [_read(request.path[0], dict(said), each, size) for each in told]
    except (BadRequest, InvalidEvent) as error:
        return refused(error)


def alone(request: Request, body_bytes_max: int) -> Sequence[bytes]:
    """Return each event in a body of its own; see `tapstack.collector.wire_format.Format`."""
    return each_alone(request.body(body_bytes_max), _LISTS[request.path[0]])


def write_key(request: Request, body_bytes_max: int) -> str | None:
    """Return the ``trackingId``: what signs a request is a credential of AWS, and no key."""
    return member(request.body(body_bytes_max), *KEYS)


def reply(request: Request, results: Sequence[Result]) -> Response:  # noqa: ARG001 - all alike
    """Answer as the service does: 200, or an error whose type the SDKs read from a header."""
    answer = json_reply(results, {})
    if answer.status == 200:
        return answer
    kind = "InvalidInputException" if answer.status == 400 else "ServiceUnavailableException"
    return msgspec.structs.replace(answer, headers={**answer.headers, "x-amzn-errortype": kind})


def _read(operation: str, shared: Object, raw: msgspec.Raw, shared_size: int) -> Translated | InvalidEvent:
    try:
        each = read_object(raw)
    except InvalidEvent as error:
        return error
    size = len(msgspec.json.encode(each)) + shared_size
    properties = _properties(each.pop("properties", None))
    event = _READERS[operation](shared, each, properties)
    keep_rest(event, "context", shared)
    keep_rest(event, "properties", each)
    return translate(event, protocol=NAME, bytes_said=size, read_time=_seconds)


def _event(shared: Object, said: Object, properties: object) -> Object:
    event: Object = {"event_type": names.event_type(said.get("eventType"))}
    if properties is not None:
        event["properties"] = properties
    _fields.move(said, event)
    _fields.move(shared, event)
    if (item := said.pop("itemId", None)) is not None:
        event["items"] = [{"item_id": as_id(item)}]
    if "user_id" not in event and "session_id" in event:
        event["anonymous_id"] = event["session_id"]  # so Personalize counts a visitor before the login
    return event


def _user(shared: Object, said: Object, properties: object) -> Object:  # noqa: ARG001 - one kind of function
    event: Object = {"event_type": "identify", "event_name": "PutUsers"}
    _fields.move(said, event)
    if properties is not None:
        event["traits"] = properties
    return event


def _item(shared: Object, said: Object, properties: object) -> Object:  # noqa: ARG001 - likewise
    """Keep what is said of an item: it is nobody's event, and counted for no item."""
    item = as_id(said.get("itemId"))
    event: Object = {"event_type": "custom", "event_name": "PutItems", "anonymous_id": f"item:{item}"[:256]}
    if not isinstance(item, str) or not item:
        del event["anonymous_id"]
    if properties is not None:
        event["properties"] = {"properties": properties}
    return event


_READERS = {"events": _event, "items": _item, "users": _user}


def _properties(said: object) -> object:
    """Return properties, which the SDKs send as JSON in a string."""
    if not isinstance(said, str) or not said:
        return said or None
    try:
        return read_object(said.encode())
    except InvalidEvent:
        return {"properties": said}


def _seconds(value: object) -> datetime | None:
    """Read a time: the SDKs write Unix seconds, others ISO 8601."""
    return times.epoch(value, 1) or times.iso(value)
