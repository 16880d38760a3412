"""A request to the API -> its answer, by the route of its path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.history import HistoryBounds
from tapstack.core.ranking import DEFAULT_WEIGHTS, Weights
from tapstack.http import MethodNotAllowed, NotFound, Request, Response, echo, options_response
from tapstack.insights.answers import Answer
from tapstack.insights.bodies import read_body
from tapstack.insights.freshness import FreshnessCache
from tapstack.insights.parameters import Currency, Number
from tapstack.insights.problems import Fault, InvalidRequest, parameter_fault
from tapstack.insights.readers import Readers, check_scopes
from tapstack.insights.representation import entity_tag
from tapstack.insights.route import ID_CHARS_MAX, Asked, Route
from tapstack.insights.routes import route_at
from tapstack.ports import RowReader

DEFAULT_HISTORY = HistoryBounds()


def respond(
    request: Request,
    reader: RowReader,
    now_s: int,
    freshness: FreshnessCache | None = None,
    readers: Readers | None = None,
    history: HistoryBounds = DEFAULT_HISTORY,
    weights: Weights = DEFAULT_WEIGHTS,
    declared: Declared = NOTHING_DECLARED,
) -> Response:
    """Answer a request; what HEAD asks for is answered like GET, and its body left out by the caller.

    Parameters
    ----------
    request
        The request.
    reader
        The table.
    now_s
        Unix seconds.
    freshness
        What is known of the journal; asked anew if not given.
    readers
        Who may read; None if no keys are asked for.
    history
        How much of a user's interactions is shown.
    weights
        What an event of each type adds to a trend's scores.
    declared
        The attributes that the consumer keeps beside.

    Raises
    ------
    Unauthorized, Forbidden
        If the request has no key of a reader, or of one that may not read this.
    BadRequest
        Naming the parameters and what was expected.
    NotFound
        If there is no such path, or nothing known under it.
    MethodNotAllowed
        If the path takes other methods.
    Unavailable
        If the table does not answer.
    """
    route = route_at(request.path)
    if route is None:
        raise NotFound("no such path; GET /v1/docs lists those there are")
    if request.method == "OPTIONS":
        return options_response(route.methods)
    if request.method not in route.methods:
        raise MethodNotAllowed(*route.methods)
    scopes = readers.scopes_of(request) if readers is not None and route.scopes else None
    freshness = freshness or FreshnessCache(reader)
    asked = Asked(
        reader=reader,
        freshness=freshness,
        now_s=now_s,
        bounds=history,
        weights=weights,
        declared=declared,
    )
    _read_request(asked, route, request)
    if scopes is not None:
        check_scopes(route.needed_scopes(asked.body), scopes)
    answer = route.read(asked)
    if answer is None:
        raise NotFound(f"no {route.subject} of this id has been seen")
    return _response(route, answer)


def _response(route: Route, answer: Answer | Mapping[str, Any] | str) -> Response:
    body = answer.encode() if isinstance(answer, str) else msgspec.json.encode(answer)
    headers = {"content-type": route.media_type, "cache-control": route.cache_control, **route.headers}
    if route.has_tag:
        headers["etag"] = _tag(answer, body)
    return Response(status=200, headers=headers, body=body)


def _tag(answer: Answer | Mapping[str, Any] | str, body: bytes) -> str:
    """Return the tag of an answer, which is the same while only `as_of` moves on."""
    if isinstance(answer, msgspec.Struct) and hasattr(answer, "as_of"):
        return entity_tag(msgspec.json.encode(msgspec.structs.replace(answer, as_of="")))
    return entity_tag(body)


def _read_request(asked: Asked, route: Route, request: Request) -> None:
    """Read the path's id and the query.

    Raises
    ------
    InvalidRequest
        Naming all that is wrong.
    """
    faults: list[Fault] = []
    if route.subject:
        asked.id = request.path[route.path.strip("/").split("/").index("{id}")]
        if not 1 <= len(asked.id) <= ID_CHARS_MAX:
            faults.append(
                parameter_fault("id", f"expected 1 to {ID_CHARS_MAX} characters, got {len(asked.id)}")
            )
    known = {parameter.name: parameter for parameter in route.parameters}
    texts = {name: parameter.default for name, parameter in known.items()}
    times = Counter(name for name, _ in request.query)
    for name, text in request.query:
        if name not in known:
            takes = f"unknown parameter; this path takes {', '.join(known) or 'none'}"
            faults.append(parameter_fault(name, takes))
        elif times[name] > 1:
            faults.append(parameter_fault(name, f"expected once, got {times[name]} times"))
        elif not text and isinstance(parameter := known[name], Number | Currency):
            faults.append(parameter_fault(name, f"expected {parameter.expected}, got {echo(text)}"))
        texts[name] = text
    faults += _read_parameters(asked, route, texts)
    if faults:
        raise InvalidRequest(faults)
    if route.body is not None:
        asked.body = read_body(request, route.body)


def _read_parameters(asked: Asked, route: Route, texts: Mapping[str, str]) -> Iterator[Fault]:
    for parameter in route.parameters:
        name, text = parameter.name, texts[parameter.name]
        value = parameter.read(text)
        if value is None:
            yield parameter_fault(name, f"expected {parameter.expected}, got {echo(text)}")
            continue
        setattr(asked, parameter.into, value)
        if isinstance(parameter, Number) and text:
            yield from _misfits(asked, parameter, texts)


def _misfits(asked: Asked, parameter: Number, texts: Mapping[str, str]) -> Iterator[Fault]:
    """Return what is wrong with a number beside the other parameters."""
    name, needs, at_least = parameter.name, parameter.needs, parameter.at_least
    if needs and not texts[needs]:
        yield parameter_fault(name, f"expected {needs} beside it, got none")
    if at_least and getattr(asked, name) < getattr(asked, at_least):
        expected = f"expected at least {at_least}, which is {echo(texts[at_least])}"
        yield parameter_fault(name, f"{expected}, got {echo(texts[name])}")
