"""A request of the load balancer, its events collected, and the answer; dependencies are the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from tapstack.collector.formats import FORMATS, Format, format_at
from tapstack.collector.intake import (
    Result,
    collect,
)
from tapstack.collector.publish import (
    Dependencies,
)
from tapstack.entrypoints.alb import read_request, write_response
from tapstack.errors import InvalidEvent
from tapstack.http import (
    MethodNotAllowed,
    NotFound,
    Request,
    RequestError,
    error_response,
    options_response,
)


class Taken(NamedTuple):
    """Each event's fate, and the answer that names it."""

    results: Sequence[Result]
    answer: dict[str, Any]


def take(
    event: dict[str, Any],
    dependencies: Dependencies,
    *,
    request_bytes_max: int,
    event_bytes_max: int,
    formats: Sequence[Format] = FORMATS,
) -> Taken:
    """Take the events of a request.

    Parameters
    ----------
    event
        The request, as the load balancer spells it.
    dependencies
        The stream, time.
    request_bytes_max
        What a body may have after decompression.
    event_bytes_max
        What an event may have.
    formats
        The wire formats that are understood.
    """
    method = ""
    try:
        request = read_request(event)
        method = request.method
        spoken = _format(request, formats)
        if method == "OPTIONS":
            return Taken((), write_response(options_response((*spoken.METHODS, "OPTIONS")), method))
        events = _events(request, spoken, request_bytes_max)
    except RequestError as error:
        return Taken((), write_response(error.response(), method))
    except InvalidEvent as error:
        return Taken((), write_response(error_response(400, "invalid_request", str(error)), method))
    # Outside: what goes wrong from here on is no fault of the request.
    results = collect(events, dependencies, event_bytes_max=event_bytes_max)
    return Taken(results, write_response(spoken.reply(results), method))


def _format(request: Request, formats: Sequence[Format]) -> Format:
    found = format_at(request.path, formats)
    if found is None:
        raise NotFound("no such path; POST /v1/events")
    return found


def _events(
    request: Request, spoken: Format, request_bytes_max: int
) -> Sequence[bytes | msgspec.Raw | InvalidEvent]:
    if request.method not in spoken.METHODS:
        raise MethodNotAllowed(*spoken.METHODS, "OPTIONS")
    return spoken.parse(request, request_bytes_max)
