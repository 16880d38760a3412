"""A request of the load balancer, its events collected, and the answer; the world is the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from tapstack.collector.bodies import split
from tapstack.collector.collect import RETRY_AFTER_MS, Result, World, collect
from tapstack.entrypoints.alb import read_request, write_response
from tapstack.errors import InvalidEvent
from tapstack.http import (
    MethodNotAllowed,
    NotFound,
    Request,
    RequestError,
    Response,
    error_response,
    json_response,
    options_response,
)

PATH = ("v1", "events")
METHODS = ("POST", "OPTIONS")


class Taken(NamedTuple):
    """Each event's fate, and the answer that names it."""

    results: Sequence[Result]
    answer: dict[str, Any]


def take(event: dict[str, Any], world: World, *, request_bytes_max: int, event_bytes_max: int) -> Taken:
    """Take the events of a request.

    Parameters
    ----------
    event
        The request, as the load balancer spells it.
    world
        The stream, time.
    request_bytes_max
        What a body may have after decompression.
    event_bytes_max
        What an event may have.
    """
    method = ""
    events: Sequence[bytes | msgspec.Raw] = ()
    response: Response | None = None
    try:
        request = read_request(event)
        method = request.method
        if method == "OPTIONS" and request.path == PATH:
            response = options_response(METHODS)
        else:
            events = _events(request, request_bytes_max)
    except RequestError as error:
        response = error.response()
    except InvalidEvent as error:
        response = error_response(400, "invalid_request", str(error))
    # Outside: what goes wrong from here on is no fault of the request.
    results = [] if response else collect(events, world, event_bytes_max=event_bytes_max)
    return Taken(results, write_response(response or respond(results), method))


def _events(request: Request, request_bytes_max: int) -> Sequence[bytes | msgspec.Raw]:
    if request.path != PATH:
        raise NotFound("no such path; POST /v1/events")
    if request.method != "POST":
        raise MethodNotAllowed(*METHODS)
    return split(request.body(request_bytes_max))


def respond(results: Sequence[Result]) -> Response:
    """Answer 200 if every valid event is stored, 503 if some have to be sent again, 400 if none is valid."""
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


def _first_reason(results: Sequence[Result]) -> str:
    first = results[0]
    return f"{first.field}: {first.reason}" if first.field else str(first.reason)
