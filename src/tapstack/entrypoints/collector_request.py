"""A request of the load balancer, its events collected, and the answer; dependencies are the caller's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from tapstack.collector import cors
from tapstack.collector.formats import ROUTES, Routes, Spoken
from tapstack.collector.intake import Incoming, Result, collect
from tapstack.collector.publish import Dependencies
from tapstack.entrypoints.alb import read_request, write_response
from tapstack.errors import InvalidEvent
from tapstack.http import (
    MethodNotAllowed,
    NotFound,
    Request,
    RequestError,
    Response,
    error_response,
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
    event_age_max: timedelta | None = None,
    allowed_origins: Collection[str] = (),
    routes: Routes = ROUTES,
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
    event_age_max
        How old an event may be and still be counted.
    allowed_origins
        Of the web pages that may send events.
    routes
        The paths of the wire formats that are understood.
    """
    try:
        request = read_request(event)
    except RequestError as error:
        return Taken((), write_response(error.response(), ""))
    grant = cors.granted(request, allowed_origins)
    try:
        spoken = _spoken(request, routes)
        if request.method == "OPTIONS":
            return _taken(request, grant, cors.options(request, spoken.route.allowed, grant))
        events = _events(request, spoken, request_bytes_max)
    except RequestError as error:
        return _taken(request, grant, error.response())
    except InvalidEvent as error:
        return _taken(request, grant, error_response(400, "invalid_request", str(error)))
    # Outside: what goes wrong from here on is no fault of the request.
    results = collect(events, dependencies, event_bytes_max=event_bytes_max, event_age_max=event_age_max)
    return _taken(request, grant, spoken.format.reply(request, results), results)


def _taken(
    request: Request, grant: Mapping[str, str], response: Response, results: Sequence[Result] = ()
) -> Taken:
    if grant:
        response = msgspec.structs.replace(response, headers={**response.headers, **grant})
    return Taken(results, write_response(response, request.method))


def _spoken(request: Request, routes: Routes) -> Spoken:
    found = routes.find(request.path)
    if found is None:
        raise NotFound("no such path; POST /v1/events")
    return found


def _events(request: Request, spoken: Spoken, request_bytes_max: int) -> Sequence[Incoming]:
    if request.method == "HEAD" and "HEAD" in spoken.route.allowed:
        return ()
    if request.method not in spoken.route.methods:
        raise MethodNotAllowed(*spoken.route.allowed)
    return spoken.format.parse(request, request_bytes_max)
