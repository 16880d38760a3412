"""PostHog: ``/batch/`` of its server SDKs; ``/e/`` and ``/capture/``, one event or several, or a form.

Read 2026-11-29: https://posthog.com/docs/api/capture and the sources of posthog-js; the server SDKs' requests
were recorded (tests/collector/recorded/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from tapstack.collector.intake import Incoming, Result, Translated
from tapstack.collector.translation import names, times
from tapstack.collector.translation.alone import each_alone
from tapstack.collector.translation.event import translate
from tapstack.collector.translation.fields import Fields, Object, keep, keep_rest
from tapstack.collector.translation.reading import (
    checked_count,
    from_base64,
    member,
    read_json,
    read_object,
    read_several,
    refused,
    shared_bytes,
)
from tapstack.collector.translation.replies import gif_reply, json_reply
from tapstack.collector.wire_format import Limits, Route
from tapstack.errors import InvalidEvent
from tapstack.http import BadRequest, Request, Response

NAME = "posthog"
ROUTES = (
    Route("/batch"),
    *(Route(path, ("POST", "GET")) for path in ("/e", "/capture", "/i/v0/e")),
)
FIELDS: Mapping[str, str] = {
    "uuid": "event_id",
    "properties.$insert_id": "event_id",
    "distinct_id": "user_id",
    "properties.distinct_id": "user_id",
    "properties.$anon_distinct_id": "anonymous_id",
    "properties.$device_id": "anonymous_id",
    "properties.$session_id": "session_id",
    "timestamp": "occurred_at",
    "event": "event_name",
    "$set": "traits",
    "properties.$set": "traits",
    "properties.$current_url": "context.page.url",
    "properties.$pathname": "context.page.path",
    "properties.$title": "context.page.title",
    "properties.$referrer": "context.page.referrer",
    "properties.$raw_user_agent": "context.user_agent",
    "properties.$browser_language": "context.locale",
    "properties.$locale": "context.locale",
    "properties.$timezone": "context.timezone",
    "properties.$ip": "context.ip",
    "properties.$lib": "context.library.name",
    "properties.$lib_version": "context.library.version",
    "properties": "properties",
}
_fields = Fields({name: ours for name, ours in FIELDS.items() if name != "properties"})
KEYS = ("api_key", "token")
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"


class _Batch(msgspec.Struct):
    batch: list[msgspec.Raw] | None = None
    sent_at: Any = None


def parse(request: Request, limits: Limits) -> Sequence[Incoming]:
    """Translate events; see `tapstack.collector.wire_format.Format`."""
    try:
        return _events(_json(request, limits.body_bytes))
    except (BadRequest, InvalidEvent) as error:
        return refused(error)


def alone(request: Request, body_bytes_max: int) -> Sequence[bytes | msgspec.Raw]:
    """Return each event in a body of its own; see `tapstack.collector.wire_format.Format`."""
    body = _json(request, body_bytes_max)
    if body[:1] == b"[":
        return read_several(body)
    return [body] if read_json(body, _Batch).batch is None else each_alone(body, "batch")


def write_key(request: Request, body_bytes_max: int) -> str | None:
    """Return the ``api_key`` of a batch, or the ``token`` that posthog-js puts into an event."""
    return member(_json(request, body_bytes_max), *KEYS)


def reply(request: Request, results: Sequence[Result]) -> Response:
    """Answer 200 with the status that SDKs know; posthog-js's image gets one."""
    return gif_reply(results) if request.method in {"GET", "HEAD"} else json_reply(results, {"status": 1})


def _json(request: Request, body_bytes_max: int) -> bytes:
    """Return what a request says in JSON: in its body, or in the field ``data`` of a form or a query."""
    if request.method == "GET":
        return _from_form(dict(request.query))
    body = request.body(body_bytes_max).strip()
    return _from_form(dict(_form(body))) if body[:5] == b"data=" else body


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True)
    except (UnicodeDecodeError, ValueError):
        raise InvalidEvent("", "expected a form in UTF-8") from None


def _from_form(form: Mapping[str, str]) -> bytes:
    """Return the JSON of a form's ``data``: in base64, or as it is."""
    text = form.get("data", "").strip()
    return text.encode() if text[:1] in {"{", "["} else from_base64(text)


def _events(body: bytes) -> list[Incoming]:
    if body[:1] == b"[":
        return [_read(raw) for raw in read_several(body)]
    batch = read_json(body, _Batch)
    if batch.batch is None:
        return [_read(body)]
    size = 0 if times.iso(batch.sent_at) else shared_bytes(batch.sent_at, len(batch.batch))
    return [_read(raw, batch.sent_at, size) for raw in checked_count(batch.batch)]


def _read(
    raw: bytes | msgspec.Raw, sent_at: object = None, shared_size: int = 0
) -> Translated | InvalidEvent:
    try:
        return _event(read_object(raw), len(raw) + shared_size, sent_at)
    except InvalidEvent as error:
        return error


def _event(said: Object, bytes_said: int, sent_at: object) -> Translated | InvalidEvent:
    event: Object = {"event_type": names.event_type(said.get("event"))}
    own_sent_at = said.pop("sent_at", None)
    for place in (said, said.get("properties")):
        if isinstance(place, dict):
            for key in KEYS:
                place.pop(key, None)
    _fields.move(said, event)
    _set_visitor(event, said)
    properties = said.pop("properties", None)
    if properties is not None:
        event["properties"] = properties
    keep_rest(event, "properties", said)
    return translate(event, protocol=NAME, bytes_said=bytes_said, sent_at=own_sent_at or sent_at)


def _set_visitor(event: Object, said: Object) -> None:
    """Take ``distinct_id`` for an anonymous one if PostHog knows nobody by it.

    That is what a library says of a visitor who has not logged in: that it is not identified, or the id
    of the device; and a server SDK that made up a UUID because it was given no id.
    """
    properties = said.get("properties")
    if not isinstance(properties, dict):
        return
    person, device = event.get("user_id"), event.get("anonymous_id")
    if person is None:
        return
    made_up = properties.get("$process_person_profile") is False and isinstance(person, str)
    if not (
        properties.get("$is_identified") is False
        or person == device
        or (made_up and re.fullmatch(_UUID, str(person)) is not None)
    ):
        return
    event["anonymous_id"] = event.pop("user_id")
    if device not in (None, person):
        keep(properties, "$device_id", device)
