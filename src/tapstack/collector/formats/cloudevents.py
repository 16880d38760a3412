"""CloudEvents 1.0 over HTTP: binary, structured, and batches.

Read 2026-11-29: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from tapstack.collector.intake import Incoming, Result, Translated
from tapstack.collector.translation import names
from tapstack.collector.translation.event import translate
from tapstack.collector.translation.fields import Fields, Object, keep_rest
from tapstack.collector.translation.reading import (
    from_base64,
    read_json,
    read_object,
    read_several,
    refused,
)
from tapstack.collector.translation.replies import json_reply
from tapstack.collector.wire_format import Limits, Route
from tapstack.core.events import ClientEvent
from tapstack.errors import InvalidEvent
from tapstack.http import BadRequest, Request, Response

NAME = "cloudevents"
ROUTES = (Route("/v1/cloudevents"),)
_PREFIX = "ce-"  # of the headers that say attributes in the binary mode
# Of the data: all but what the attributes say, and items, which are read like those of other formats.
_ELSEWHERE = ("event_type", "event_name", "properties", "items", "event_id", "client_id", "n")
_OURS = [name for name in ClientEvent.__struct_fields__ if name not in _ELSEWHERE]
KEYS: Sequence[str] = ()
FIELDS: Mapping[str, str] = {
    "time": "occurred_at",
    "userid": "user_id",
    "data.userId": "user_id",
    "anonymousid": "anonymous_id",
    "data.anonymousId": "anonymous_id",
    "sessionid": "session_id",
    "data.sessionId": "session_id",
    **{f"data.{name}": name for name in _OURS},
    "data.properties": "properties",
}
_fields = Fields(FIELDS)


def parse(request: Request, limits: Limits) -> Sequence[Incoming]:
    """Translate events; see `tapstack.collector.wire_format.Format`."""
    try:
        body = request.body(limits.body_bytes).strip()
        if _is_binary(request):
            return [_event(_binary(request.headers, body), len(body))]
        raws = read_several(body) if body[:1] == b"[" else [msgspec.Raw(body)]
        return [_read(raw) for raw in raws]
    except (BadRequest, InvalidEvent) as error:
        return refused(error)


def alone(request: Request, body_bytes_max: int) -> Sequence[bytes | msgspec.Raw]:
    """Return each event in a body of its own, structured; see `tapstack.collector.wire_format.Format`."""
    body = request.body(body_bytes_max).strip()
    if _is_binary(request):
        return [msgspec.json.encode(_binary(request.headers, body))]
    return read_several(body) if body[:1] == b"[" else [body]


def write_key(request: Request, body_bytes_max: int) -> str | None:  # noqa: ARG001 - all alike
    """Return None: its senders use a header."""
    return None


def reply(request: Request, results: Sequence[Result]) -> Response:  # noqa: ARG001 - all alike
    """Answer 200 in JSON."""
    return json_reply(results, {"success": True})


def _read(raw: msgspec.Raw) -> Translated | InvalidEvent:
    try:
        said = read_object(raw)
        if isinstance(packed := said.pop("data_base64", None), str):
            said["data"] = _data(from_base64(packed))
        elif packed is not None:
            said["data_base64"] = packed
        return _event(said, len(raw))
    except InvalidEvent as error:
        return error


def _is_binary(request: Request) -> bool:
    return f"{_PREFIX}id" in request.headers or f"{_PREFIX}type" in request.headers


def _binary(headers: Mapping[str, str], body: bytes) -> Object:
    said: Object = {
        name.removeprefix(_PREFIX): unquote(value, errors="replace")
        for name, value in headers.items()
        if name.startswith(_PREFIX)
    }
    if body:
        said["data"] = _data(body)
    return said


def _data(body: bytes) -> Any:
    """Return what an event carries: JSON, else text."""
    try:
        return read_json(body, dict[str, Any])
    except InvalidEvent:
        return body.decode(errors="replace")


def _event(said: Object, bytes_said: int) -> Translated | InvalidEvent:
    source, own_id, kind = (said.get(name) for name in ("source", "id", "type"))
    if not isinstance(source, str) or not isinstance(own_id, str) or not isinstance(kind, str) or not own_id:
        return InvalidEvent("", "expected the attributes id, source and type, each a string")
    event: Object = {"event_type": _type(kind), "event_name": kind, "event_id": f"{source} {own_id}"}
    _fields.move(said, event)
    data = said.pop("data", None)
    if isinstance(data, dict):
        keep_rest(event, "properties", data)
    elif data is not None:
        keep_rest(event, "properties", {"data": data})
    del said["type"]
    keep_rest(event, "context", said)
    return translate(event, protocol=NAME, bytes_said=bytes_said)


def _type(kind: str) -> str:
    """Return our type of a reverse DNS name such as ``com.shop.order.completed.v1``: by its last words."""
    parts = re.sub(r"\.v[0-9]+$", "", kind).split(".")
    found = (names.event_type(" ".join(parts[start:])) for start in range(max(0, len(parts) - 3), len(parts)))
    return next((name for name in found if name != "custom"), "custom")
