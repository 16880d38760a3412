"""The OpenAPI 3.1 document of the collector, made of the wire formats' routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count

import msgspec

from tapstack import openapi
from tapstack.collector.intake import Result
from tapstack.collector.translation.replies import Rejected
from tapstack.collector.wire_format import ANY_SEGMENT, Format, Route
from tapstack.collector.write_keys import KEY_HEADER
from tapstack.core.events import ClientEvent
from tapstack.http import HTML
from tapstack.openapi import Json, reference, response, words_of

DESCRIPTION = (
    "Where events are sent: in our own format at `/v1/events`, and in those of other products' SDKs. "
    "HEAD is answered where GET is, OPTIONS everywhere. Any `Content-Type` is taken, and `Content-Encoding` "
    "gzip or deflate. Errors have a code and a message."
)
OWN = "native"
JSON = "application/json"
BODIES: Mapping[str, str] = {
    "cloudevents": "a CloudEvent, or an array of them",
    "google": "a request of the Measurement Protocol",
    "personalize": "a request of Amazon Personalize",
    "posthog": "an event of PostHog, or a batch of them",
    "segment": "a call of Segment or RudderStack, or a batch of them",
    "snowplow": "a payload of Snowplow's trackers",
}


class Results(msgspec.Struct):
    """What became of each event, in order."""

    results: list[Result]


class Accepted(msgspec.Struct):
    """What an SDK takes for a success; each refused event is named.

    Parameters
    ----------
    success, status
        As the SDK expects.
    rejected
        The events that were refused.
    notes
        By the place of an event in the request, from 0: what of it was not taken as it was said.
    """

    success: bool | None = None
    status: int | None = None
    rejected: list[Rejected] | None = None
    notes: dict[str, list[str]] | None = None


class Error(msgspec.Struct):
    """Why a request is refused.

    Parameters
    ----------
    code
        In one word.
    message, detail
        In words.
    results, rejected
        What became of each event; the events that were refused.
    """

    code: str
    message: str
    detail: str | None = None
    results: list[Result] | None = None
    rejected: list[Rejected] | None = None


ERRORS = {
    400: "no event of the request is valid, or it holds none that can be read",
    401: "the stack asks for write keys, and the request has none that is known",
    403: "the source of the key may not send such a request",
    429: "the source sends faster than it may",
    503: "some event is stored nowhere: send the request again, unchanged",
}
TOO_LARGE = "the body is larger than the load balancer takes"
RETRY_AFTER = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "string"}}}
# An empty one first: whether keys are asked for is the stack's choice. Bodies may say a key as well.
SECURITY: list[Json] = [{}, {"bearer": []}, {"basic": []}, {"writeKey": []}]
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "the key is the user"},
    "writeKey": {"type": "apiKey", "in": "header", "name": KEY_HEADER},
}


def document(formats: Sequence[Format]) -> Json:
    """Return the document."""
    paths: dict[str, Json] = {}
    for each in formats:
        for route in each.ROUTES:
            operations = {method.lower(): _operation(each, route, method) for method in route.methods}
            paths[_template(route.path)] = operations
    errors = {str(status): response(meaning, JSON, reference(Error)) for status, meaning in ERRORS.items()}
    for status in ("429", "503"):
        errors[status]["headers"] = RETRY_AFTER
    errors["413"] = response(TOO_LARGE, "text/html", {"type": "string"})
    return openapi.document(
        "Tapstack collector",
        DESCRIPTION,
        paths=paths,
        types=(ClientEvent, Results, Accepted, Error),
        responses=errors,
        security_schemes=SECURITY_SCHEMES,
    )


def _template(path: str) -> str:
    numbers = count(1)
    parts = [f"{{part{next(numbers)}}}" if part == ANY_SEGMENT else part for part in path.split("/")]
    return "/".join(parts)


def _operation(spoken: Format, route: Route, method: str) -> Json:
    statuses = sorted(ERRORS if route.takes_events else {400})
    if method == "POST":
        statuses = sorted({*statuses, 413})
    what = "take events" if route.takes_events else "answer without events"
    operation: Json = {
        "operationId": method.lower() + words_of(route.path),
        "summary": f"{what}, format {spoken.NAME}",
        "tags": [spoken.NAME],
        "security": SECURITY if route.takes_events else [],
        "parameters": list(_parameters(route)),
        "responses": {
            "200": _answer(spoken, route, method),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses},
        },
    }
    if method == "POST" and route.takes_events:
        operation["requestBody"] = {"required": True, "content": _body(spoken)}
    return operation


def _parameters(route: Route) -> Iterable[Json]:
    for number in range(1, route.segments.count(ANY_SEGMENT) + 1):
        yield {
            "name": f"part{number}",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }


def _body(spoken: Format) -> Json:
    if spoken.NAME != OWN:
        return {JSON: {"schema": {"type": ["object", "array"], "description": BODIES[spoken.NAME]}}}
    event = reference(ClientEvent)
    lines = {"type": "string", "description": "an event a line"}
    return {
        JSON: {"schema": {"anyOf": [event, {"type": "array", "items": event}]}},
        "application/x-ndjson": {"schema": lines},
    }


def _answer(spoken: Format, route: Route, method: str) -> Json:
    if not route.takes_events:
        is_page = route.path.endswith("/docs")
        return response("the answer", HTML if is_page else JSON, {"type": "string" if is_page else "object"})
    if method == "GET":
        return response("taken, or refused: a pixel gets its image", "image/gif", {"type": "string"})
    if spoken.NAME == OWN:
        return response("nothing has to be sent again", JSON, reference(Results))
    return response("every valid event is stored", JSON, reference(Accepted))
