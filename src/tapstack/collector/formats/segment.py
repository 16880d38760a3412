"""Segment and RudderStack: what their SDKs send to ``/v1/batch``, or one call at a time.

Read 2026-11-29: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/,
https://www.rudderstack.com/docs/api/http-api/; the SDKs' requests were recorded (tests/collector/recorded/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tapstack.collector.intake import Incoming, Result, Translated
from tapstack.collector.translation import names, times
from tapstack.collector.translation.alone import each_alone, query_alone
from tapstack.collector.translation.event import translate
from tapstack.collector.translation.fields import Fields, Object, keep, keep_rest
from tapstack.collector.translation.reading import (
    checked_count,
    from_base64,
    member,
    read_json,
    read_object,
    refused,
    shared_bytes,
)
from tapstack.collector.translation.replies import gif_reply, json_reply
from tapstack.collector.wire_format import Limits, Route
from tapstack.errors import InvalidEvent
from tapstack.http import BadRequest, Request, Response, json_response

NAME = "segment"
CALLS = ("track", "page", "identify", "screen", "group", "alias")
BATCHES = ("batch", "b", "import")
_GET, _SETTINGS, _SOURCE_CONFIG, _METRICS = ("GET",), "settings", "sourceConfig", "m"
ROUTES = (
    *(Route(f"/v1/{name}") for name in (*BATCHES, *CALLS, *(call[0] for call in CALLS))),
    *(Route(f"/beacon/v1/{name}") for name in ("batch", *CALLS)),
    *(Route(f"/{place}/{call}", _GET) for place in ("pixel/v1", "v1/pixel") for call in CALLS),
    Route(f"/v1/projects/*/{_SETTINGS}", _GET, takes_events=False),
    Route(f"/{_SOURCE_CONFIG}", _GET, takes_events=False),
    Route(f"/v1/{_METRICS}", takes_events=False),
)
FIELDS: Mapping[str, str] = {
    "messageId": "event_id",
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "timestamp": "occurred_at",
    "originalTimestamp": "occurred_at",  # when RudderStack's SDK was called
    "event": "event_name",
    "name": "event_name",
    "traits": "traits",
    "context.traits": "traits",  # of identify: where RudderStack's SDKs of browsers and phones put them
    "properties": "properties",
    "context": "context",
    "context.sessionId": "session_id",
    "context.consent": "consent",
}
_OF_IDENTIFY = "context.traits"
_fields = Fields({name: ours for name, ours in FIELDS.items() if name not in {"context", _OF_IDENTIFY}})
_identify_fields = Fields({_OF_IDENTIFY: FIELDS[_OF_IDENTIFY]})
KEYS = ("writeKey",)
_ELSEWHERE = (*KEYS, "sentAt")  # the key is no part of the event; the time is kept apart
_BY_LETTER = {call[0]: call for call in CALLS}
_TYPES = {"page": "page_view", "screen": "page_view", "identify": "identify"}


class _Batch(msgspec.Struct):
    batch: list[msgspec.Raw] | None = None
    sentAt: Any = None  # noqa: N815 - Segment's spelling
    context: Any = None
    integrations: Any = None


def parse(request: Request, limits: Limits) -> Sequence[Incoming]:
    """Translate the calls of a request; see `tapstack.collector.wire_format.Format`."""
    *_, call = request.path
    if call in {_SETTINGS, _SOURCE_CONFIG, _METRICS}:
        return ()
    try:
        if "pixel" in request.path:
            return [_event(*_pixel(request), call, None)]
        body = request.body(limits.body_bytes)
        if call in {*BATCHES, "batch"}:
            return _batch(body)
        return [_event(read_object(body), len(body), _BY_LETTER.get(call, call), None)]
    except (BadRequest, InvalidEvent) as error:
        return refused(error)


def alone(request: Request, body_bytes_max: int) -> Sequence[bytes]:
    """Return each call in a body of its own; see `tapstack.collector.wire_format.Format`."""
    if "pixel" in request.path:
        return query_alone(request)
    body = request.body(body_bytes_max)
    return each_alone(body, "batch") if request.path[-1] in {*BATCHES, "batch"} else [body]


def write_key(request: Request, body_bytes_max: int) -> str | None:
    """Return the ``writeKey`` of a batch or a call."""
    return member(request.body(body_bytes_max), *KEYS)


def reply(request: Request, results: Sequence[Result]) -> Response:
    """Answer with what SDKs take for a success: 200 and ``{"success": true}``."""
    if request.path[-1] == _SETTINGS:
        return json_response(200, _settings(request))
    if request.path[-1] == _SOURCE_CONFIG:
        return json_response(200, _source_config())
    if "pixel" in request.path:
        return gif_reply(results)
    return json_reply(results, {"success": True})


def _batch(body: bytes) -> list[Incoming]:
    batch = read_json(body, _Batch)
    if batch.batch is None:
        return [InvalidEvent("batch", "is required")]
    events: list[Incoming] = []
    shared = {"context": batch.context, "integrations": batch.integrations}
    shared = {name: value for name, value in shared.items() if isinstance(value, dict) and value}
    kept: Object = dict(shared)
    if batch.sentAt and not times.iso(batch.sentAt):
        kept["sentAt"] = batch.sentAt  # each event keeps what cannot be read
    size = shared_bytes(kept, len(batch.batch))
    for raw in checked_count(batch.batch):
        try:
            said = read_object(raw)
            _add(said, shared)
            events.append(_event(said, len(raw) + size, "", batch.sentAt))
        except InvalidEvent as error:
            events.append(error)
    return events


def _add(said: Object, shared: Mapping[str, Object]) -> None:
    """Add what a batch says for all of its calls; what a call says itself counts."""
    for name, value in shared.items():
        own = said.get(name)
        said[name] = {**value, **(own if isinstance(own, dict) else {})}


def _pixel(request: Request) -> tuple[Object, int]:
    """Read a call from a query: Segment's ``data`` in base64, or RudderStack's fields, objects in JSON."""
    said: Object = dict(request.query)
    size = sum(len(name) + len(value) for name, value in request.query)
    if "data" in said:
        return read_object(from_base64(said["data"])), size
    for name in ("properties", "traits", "context", "integrations"):
        if name in said:
            said[name] = read_object(said[name].encode())
    return said, size


def _event(said: Object, bytes_said: int, call: str, sent_at: object) -> Translated | InvalidEvent:
    call = said.pop("type", None) or call
    if call not in CALLS:
        return InvalidEvent("type", f"expected one of {', '.join(CALLS)}")
    event: Object = {"event_type": _TYPES.get(call, "custom")}
    if call == "track":
        event["event_type"] = names.event_type(said.get("event"))
    elif call in {"group", "alias"}:
        event["event_name"] = call
        keep_rest(event, "properties", {name: said.pop(name, None) for name in _OF_CALLS})
    _fields.move(said, event)
    if call == "identify":
        _identify_fields.move(said, event)
    context = said.pop("context", None)
    if context is not None:
        event["context"] = context
    if call not in {"track", "page", "identify"}:
        keep(said, "call", call)
    sent_at = said.get("sentAt") or sent_at
    keep_rest(event, "context", {name: value for name, value in said.items() if name not in _ELSEWHERE})
    return translate(event, protocol=NAME, bytes_said=bytes_said, sent_at=sent_at)


_OF_CALLS = ("groupId", "previousId", "traits")  # of a group and of an alias; not the user's traits


def _settings(request: Request) -> Mapping[str, object]:
    """Return what analytics.js wants before it sends anything: where to."""
    host = request.headers.get("host", "")
    segment = {
        "apiKey": request.path[2],
        "apiHost": f"{host}/v1",
        "protocol": request.headers.get("x-forwarded-proto", "https"),
    }
    return {
        "integrations": {"Segment.io": segment},
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
        "metrics": {"sampleRate": 0},
    }


def _source_config() -> Mapping[str, object]:
    """Return what RudderStack's SDKs want before they send anything: no further destinations."""
    source = {"id": "tapstack", "name": "tapstack", "enabled": True, "config": {}, "destinations": []}
    return {"source": source}
