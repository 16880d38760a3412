"""Events as docs/reference/events.md has them: JSON in, the fate of each event out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tapstack.collector.bodies import split
from tapstack.collector.intake import RETRY_AFTER_MS, Incoming, Result
from tapstack.collector.wire_format import Limits, Route
from tapstack.core.together import read_client_array
from tapstack.http import HTML, PAGE_HEADERS, Request, Response, json_response

NAME = "native"
_DOCUMENT, _PAGE = "openapi.json", "docs"
ROUTES = (
    Route("/v1/events"),
    *(Route(f"/v1/events/{name}", ("GET",), takes_events=False) for name in (_DOCUMENT, _PAGE)),
)
KEYS: Sequence[str] = ()
FIELDS: Mapping[str, str] = {}  # its words are ours


def parse(request: Request, limits: Limits) -> Sequence[Incoming]:
    """Read the events of the body, or split it into them; see `tapstack.collector.wire_format.Format`."""
    if request.path[-1] in {_DOCUMENT, _PAGE}:
        return ()
    body = request.body(limits.body_bytes)
    if body[:1] == b"[" and len(body) <= limits.event_bytes:  # then no event is too long
        return read_client_array(body) or split(body)
    return split(body)


def alone(request: Request, body_bytes_max: int) -> Sequence[msgspec.Raw]:
    """Return each event in a body of its own; see `tapstack.collector.wire_format.Format`."""
    return split(request.body(body_bytes_max))


def write_key(request: Request, body_bytes_max: int) -> str | None:  # noqa: ARG001 - all alike
    """Return None: its senders use a header."""
    return None


def reply(request: Request, results: Sequence[Result]) -> Response:
    """Answer 200 if every valid event is stored, 503 if some have to be sent again, 400 if none is valid."""
    if request.path[-1] in {_DOCUMENT, _PAGE}:
        return _description(request.path[-1])
    statuses = {result.status for result in results}
    body = {"results": results}
    if "retry" in statuses:
        return json_response(
            503,
            {"code": "unavailable", "message": "send the events marked retry again, unchanged", **body},
            {"retry-after": str(RETRY_AFTER_MS // 1000)},
        )
    if statuses == {"invalid"}:
        return json_response(400, {"code": "invalid_events", "message": _first_reason(results), **body})
    return json_response(200, body)


def _description(name: str) -> Response:
    """Return the collector's OpenAPI document, or the page made of it."""
    from tapstack.collector.formats import FORMATS  # seldom asked for: a cold start does without
    from tapstack.collector.openapi import document

    if name == _DOCUMENT:
        return json_response(200, document(FORMATS))
    from tapstack.docs_page import page

    headers = {"content-type": HTML, **PAGE_HEADERS}
    return Response(status=200, headers=headers, body=page(document(FORMATS)).encode())


def _first_reason(results: Sequence[Result]) -> str:
    first = results[0]
    return f"{first.field}: {first.reason}" if first.field else str(first.reason)
