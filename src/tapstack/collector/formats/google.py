"""Google Analytics 4: the Measurement Protocol.

Read 2026-11-29: https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from tapstack.collector.intake import Incoming, Result, Translated
from tapstack.collector.translation import names, times
from tapstack.collector.translation.alone import each_alone
from tapstack.collector.translation.event import translate
from tapstack.collector.translation.fields import Fields, Object, keep, keep_rest
from tapstack.collector.translation.reading import read_listed, read_object, refused, shared_bytes
from tapstack.collector.translation.replies import json_reply
from tapstack.collector.wire_format import Limits, Route
from tapstack.errors import InvalidEvent
from tapstack.http import BadRequest, Request, Response

NAME = "google"
ROUTES = (Route("/mp/collect"),)
FIELDS: Mapping[str, str] = {
    "name": "event_name",
    "user_id": "user_id",
    "client_id": "anonymous_id",
    "app_instance_id": "anonymous_id",
    "timestamp_micros": "occurred_at",
    "consent": "consent",
    "user_properties": "traits",
    "params.session_id": "session_id",
    "params.ga_session_id": "session_id",
    "params.page_location": "context.page.url",
    "params.page_title": "context.page.title",
    "params.page_referrer": "context.page.referrer",
    "params.language": "context.locale",
    "params": "properties",
}
_OF_REQUESTS = ("user_id", "client_id", "app_instance_id", "timestamp_micros", "consent", "user_properties")
_OF_EVENTS = ("name", "timestamp_micros", "consent", "user_properties")
_fields = Fields(
    {name: ours for name, ours in FIELDS.items() if name in _OF_EVENTS or name.startswith("params.")}
)
_shared_fields = Fields({name: FIELDS[name] for name in _OF_REQUESTS})
KEYS = ("api_secret",)


def parse(request: Request, limits: Limits) -> Sequence[Incoming]:
    """Translate the events of a request; see `tapstack.collector.wire_format.Format`."""
    try:
        said, events = read_listed(request.body(limits.body_bytes), "events")
        if not events:
            return [InvalidEvent("events", "expected an array of at least one")]
        for name, value in request.query:
            keep(said, name, value)
        said = {name: value for name, value in said.items() if name.rstrip("_") not in KEYS}
        size = shared_bytes(said, len(events))
        return [_event(dict(said), each, size) for each in events]
    except (BadRequest, InvalidEvent) as error:
        return refused(error)


def alone(request: Request, body_bytes_max: int) -> Sequence[bytes]:
    """Return each event in a body of its own; see `tapstack.collector.wire_format.Format`."""
    return each_alone(request.body(body_bytes_max), "events", dict(request.query))


def write_key(request: Request, body_bytes_max: int) -> str | None:  # noqa: ARG001 - all alike
    """Return None: it stands in the query."""
    return None


def reply(request: Request, results: Sequence[Result]) -> Response:  # noqa: ARG001 - all alike
    """Answer 200 in JSON, where Google answers 204 whatever came."""
    return json_reply(results, {"success": True})


def _event(shared: Object, raw: msgspec.Raw, shared_size: int) -> Translated | InvalidEvent:
    try:
        said = read_object(raw)
    except InvalidEvent as error:
        return error
    size = len(msgspec.json.encode(said)) + shared_size
    event: Object = {"event_type": names.event_type(said.get("name"))}
    _fields.move(said, event)  # an event's own time and user properties count before the request's
    _shared_fields.move(shared, event)
    if isinstance(traits := event.get("traits"), dict):
        event["traits"] = {name: _value(value) for name, value in traits.items()}
    params = said.pop("params", None)
    if params is not None:
        event["properties"] = params
    keep_rest(event, "properties", said)
    keep_rest(event, "context", shared)
    return translate(event, protocol=NAME, bytes_said=size, read_time=_micros)


def _value(said: object) -> object:
    """Return a user property's value, which stands in an object of its own."""
    return said["value"] if isinstance(said, dict) and set(said) == {"value"} else said


def _micros(value: object) -> datetime | None:
    return times.epoch(value, 1_000_000)
